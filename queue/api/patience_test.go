package api

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// deadlines takes an answer and notes how long each piece of it may take.
type deadlines struct {
	*httptest.ResponseRecorder

	patience time.Duration // of the piece to come; 0: none was set
	longest  time.Duration
}

// SetWriteDeadline is what http.ResponseController asks for.
func (d *deadlines) SetWriteDeadline(at time.Time) error {
	d.patience = time.Until(at)
	return nil
}

// Write implements http.ResponseWriter.
func (d *deadlines) Write(p []byte) (int, error) {
	if d.patience == 0 {
		d.patience = answerTime
	}
	d.longest = max(d.longest, d.patience)
	d.patience = 0
	return d.ResponseRecorder.Write(p)
}

func ask(t *testing.T, a *API, method, path string) *deadlines {
	t.Helper()
	d := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	a.Handler().ServeHTTP(d, httptest.NewRequestWithContext(t.Context(), method, path, nil))
	return d
}

// Whoever has no key holds a connection for seconds, however slowly it reads.
func TestReadersWithoutAKeyHoldNothing(t *testing.T) {
	t.Parallel()
	a := doorOfNothing(t)
	for path, status := range map[string]int{
		"/docs": http.StatusOK, "/openapi.json": http.StatusOK, "/problems/not-found": http.StatusOK, "/healthz": http.StatusOK,
		"/nothing": http.StatusNotFound, "/v1/orders": http.StatusUnauthorized, "/healthz?no=such": http.StatusUnprocessableEntity,
	} {
		if d := ask(t, a, http.MethodGet, path); d.Code != status || d.longest == 0 || d.longest > keylessPatience {
			t.Errorf("%s: %d, and a piece may take %s", path, d.Code, d.longest)
		}
	}
}
