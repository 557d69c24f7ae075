package record

import (
	"fmt"
	"time"
)

// ReferenceConflictError says that an order of that reference exists and asks for something else.
type ReferenceConflictError struct {
	Source, Reference string
	Existing          Order
	Purged            time.Time // when what was said of people went from it, and with it what a repeat is known by; zero: it did not
}

func (e *ReferenceConflictError) Error() string {
	if !e.Purged.IsZero() {
		return fmt.Sprintf("order %q of source %q exists (%d %s jobs, since %s), and was purged since: whether this is the same cannot be told any more; give a new order a reference of its own",
			e.Reference, e.Source, e.Existing.Total, e.Existing.Kind, e.Existing.CreatedAt.Format("2006-01-02 15:04:05"))
	}
	return fmt.Sprintf("order %q of source %q exists with other content (%d %s jobs, since %s): give the new order a reference of its own",
		e.Reference, e.Source, e.Existing.Total, e.Existing.Kind, e.Existing.CreatedAt.Format("2006-01-02 15:04:05"))
}
