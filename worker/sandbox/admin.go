package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// FaultStatus is a fault in place and how often it fired.
type FaultStatus struct {
	ID    string `json:"id"`
	Fault Fault  `json:"fault"`
	Fired int    `json:"fired"`
}

type balanceBody struct {
	Balance     *int  `json:"balance"`
	DirectDebit *bool `json:"direct_debit,omitempty"`
}

// adminRoutes are the control endpoints. They follow no contract but that of [Remote].
func (s *Sandbox) adminRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /sandbox/ledger", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, s.Ledger())
	})
	mux.HandleFunc("GET /sandbox/labels", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, Labels())
	})
	mux.HandleFunc("GET /sandbox/faults", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, s.faults.all())
	})
	mux.HandleFunc("POST /sandbox/faults", s.adminInject)
	mux.HandleFunc("DELETE /sandbox/faults", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, s.faults.clear())
	})
	mux.HandleFunc("PUT /sandbox/accounts/{id}/balance", s.adminBalance)
}

func (s *Sandbox) adminInject(w http.ResponseWriter, r *http.Request) {
	var f Fault
	if !readAdmin(w, r, &f) {
		return
	}
	hit, err := s.Inject(f)
	if err != nil {
		refuseAdmin(w, http.StatusUnprocessableEntity, err)
		return
	}
	writeJSON(w, http.StatusCreated, FaultStatus{ID: hit.ID, Fault: hit.fault})
}

func (s *Sandbox) adminBalance(w http.ResponseWriter, r *http.Request) {
	var b balanceBody
	if !readAdmin(w, r, &b) {
		return
	}
	var errs []error
	id := r.PathValue("id")
	if b.Balance != nil {
		errs = append(errs, s.SetBalance(id, *b.Balance))
	}
	if b.DirectDebit != nil {
		errs = append(errs, s.SetDirectDebit(id, *b.DirectDebit))
	}
	if len(errs) == 0 {
		errs = append(errs, errors.New("give balance, a whole number, or direct_debit, true or false"))
	}
	switch err := errors.Join(errs...); {
	case errors.Is(err, errUnknownAccount):
		refuseAdmin(w, http.StatusNotFound, err)
	case err != nil:
		refuseAdmin(w, http.StatusUnprocessableEntity, err)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func readAdmin(w http.ResponseWriter, r *http.Request, into any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		refuseAdmin(w, http.StatusBadRequest, fmt.Errorf("read body: %w", err))
		return false
	}
	return true
}

func refuseAdmin(w http.ResponseWriter, status int, err error) {
	writeJSON(w, status, errorBody(OpOther, failure{status, err.Error()}))
}

func (fs *faults) all() []FaultStatus {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.status()
}

// status lists the faults in place; the caller holds the lock.
func (fs *faults) status() []FaultStatus {
	list := make([]FaultStatus, len(fs.list))
	for n, i := range fs.list {
		list[n] = FaultStatus{ID: i.ID, Fault: i.fault, Fired: i.fired}
	}
	return list
}

// duration is a time.Duration that JSON shows as "1.5s".
type duration time.Duration

func (d duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d *duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = duration(parsed)
	return err
}

// plainFault has the fields of a Fault and none of its methods; faultJSON replaces its durations.
type plainFault Fault

type faultJSON struct {
	plainFault
	RetryAfter duration `json:"retry_after,omitzero"`
	Delay      duration `json:"delay,omitzero"`
	Interval   duration `json:"interval,omitzero"`
}

// MarshalJSON writes durations as Go does: "1.5s".
func (f Fault) MarshalJSON() ([]byte, error) {
	return json.Marshal(faultJSON{plainFault(f), duration(f.RetryAfter), duration(f.Delay), duration(f.Interval)})
}

// UnmarshalJSON reads durations as Go writes them, and refuses fields it does not know.
func (f *Fault) UnmarshalJSON(data []byte) error {
	var j faultJSON
	if err := decodeStrict(data, &j); err != nil {
		return err
	}
	*f = Fault(j.plainFault)
	f.RetryAfter, f.Delay, f.Interval = time.Duration(j.RetryAfter), time.Duration(j.Delay), time.Duration(j.Interval)
	return nil
}
