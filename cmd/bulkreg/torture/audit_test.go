package torture

import (
	"github.com/bulkreg/bulkreg/store/audit"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/queue"
)

// audit checks the invariants that our database shows alone. Nobody works on it any more.
func (w *world) audit() {
	w.t.Helper()
	report, err := w.store.Audit.Run(w.t.Context(), audit.Options{JobID: func(source, reference string, kind record.Kind, subject string) uuid.UUID {
		return queue.JobID(source, reference, queue.Kind(kind), subject)
	}})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, b := range report.Breaches {
		w.t.Errorf("audit: %s: %s %s: %s", b.Invariant, b.Domain, b.Reference, b.What)
	}
}
