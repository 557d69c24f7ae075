package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
)

// The contract's requests and answers, read from the contract and not from our client, so that a mistake in one
// of the two shows.

type whoisRequest struct {
	Domains []string `json:"domains"`
}

type registration struct {
	Domain      string   `json:"domain"`
	Holder      string   `json:"domainholder_id"`
	Period      *int     `json:"period"` // months; absent is 12
	Nameservers []string `json:"nameservers"`
}

type bulkRegisterRequest struct {
	Domains []registration `json:"domains"`
}

// result is one WhoisResult or one RegisterResult: Domain and Available, Status or Error, or Domain, Status and
// with "failed" StatusCode and Message.
type result struct {
	Domain     string `json:"domain"`
	Available  *bool  `json:"available,omitempty"`
	Status     string `json:"status,omitempty"`
	Error      string `json:"error,omitempty"`
	StatusCode int    `json:"statusCode,omitempty"`
	Message    string `json:"message,omitempty"`

	// The contract has no fields for these. Registrars that have them call them so.
	Premium  bool   `json:"premium,omitempty"`
	Price    string `json:"price,omitempty"`
	Currency string `json:"currency,omitempty"`
}

type resultList struct {
	Results []result `json:"results"`
}

// failure is why a request, or one item, was refused.
type failure struct {
	status  int
	message string
}

func badRequest(format string, args ...any) *failure {
	return &failure{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

func unprocessable(words string) *failure {
	return &failure{http.StatusUnprocessableEntity, words}
}

// errorBody is the error body that an operation documents.
func errorBody(op Op, f failure) any {
	if op == OpToken {
		return struct {
			Status  int    `json:"status"`
			Error   string `json:"error"`
			Message string `json:"message"`
		}{f.status, http.StatusText(f.status), f.message}
	}
	return struct {
		StatusCode int    `json:"statusCode"`
		Message    string `json:"message"`
	}{f.status, f.message}
}

// decode reads exactly one JSON value of the documented shape. A field that the contract does not name is
// refused: a misspelt one would otherwise be lost in silence.
func decode(r *http.Request, body []byte, into any) *failure {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return badRequest("the Content-Type must be application/json")
	}
	if err := decodeStrict(body, into); err != nil {
		return badRequest("malformed request: %v", err)
	}
	return nil
}

func decodeStrict(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}
