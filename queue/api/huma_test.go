package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bulkreg/bulkreg/queue/intake"
	"github.com/bulkreg/bulkreg/store"
)

// A door without a database: what asks for one fails.
func doorOfNothing(t *testing.T) *API {
	t.Helper()
	a, err := New(Options{Store: &store.Store{}, Intake: &intake.Intake{}, Keys: KeysOf(nil, nil)})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// What the library refuses is a problem as all others are, here alone: another user of the library in the same process keeps its own.
func TestRefusalsOfTheLibrary(t *testing.T) {
	t.Parallel()
	a := doorOfNothing(t)
	if _, its := huma.NewError(http.StatusTeapot, "x").(*huma.ErrorModel); !its {
		t.Error("the library's errors are changed for everybody")
	}
	answer := httptest.NewRecorder()
	a.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/healthz?no=such", nil))
	var p Problem
	if err := json.Unmarshal(answer.Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	if p.Type != "/problems/invalid-request" || p.Status != answer.Code || p.RequestID == "" || len(p.Errors) != 1 || p.Errors[0].Location != "query.no" ||
		answer.Header().Get("Content-Type") != problemType {
		t.Errorf("%d %v: %s", answer.Code, answer.Header(), answer.Body)
	}
	document, err := json.Marshal(a.huma.OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(document), "ErrorModel") || strings.Contains(string(document), "ErrorDetail") {
		t.Error("the document has the library's form of errors")
	}
}
