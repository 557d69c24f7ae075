package registrar

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"

	"github.com/bulkreg/bulkreg/worker/registrar/shape"
	"github.com/bulkreg/bulkreg/worker/upstream"
)

// Op names an operation of the upstream.
type Op = upstream.Op

// Answer says what one request brought, whether it succeeded or not.
type Answer = upstream.Answer

// Error says that an operation did not succeed.
type Error = upstream.Error

// Secret is a string that does not print.
type Secret = upstream.Secret

// MaxRetryAfter caps how long the upstream can ask for patience.
const MaxRetryAfter = upstream.MaxRetryAfter

// Errors that an Error or AuthError may wrap.
var (
	ErrTooLarge = upstream.ErrTooLarge
	ErrClosed   = upstream.ErrClosed
	ErrInput    = upstream.ErrInput
)

// The operations, one per method of Client.
const (
	OpAuthenticate Op = "authenticate"
	OpCheck        Op = "check"
	OpCheckBulk    Op = "check bulk"
	OpRegister     Op = "register"
	OpRegisterBulk Op = "register bulk"
	OpHolderCreate Op = "create holder"
	OpHolderFind   Op = "find holder"
	OpHolderUpdate Op = "update holder"
	OpHolderDelete Op = "delete holder"
)

// AuthError says that no token could be got, so that the operation was not sent. It stands under the
// operation's Error. Its Answer is that of the authentication request: Status 0 means that the upstream could not be
// reached or did not answer in time, 402 and 429 mean there what they mean elsewhere.
type AuthError struct {
	Answer Answer
	cause  error
}

// Error gives status and the upstream's words.
func (e *AuthError) Error() string { return upstream.Describe(OpAuthenticate, e.Answer, e.cause) }

// Unwrap returns the cause, nil when the status says it all.
func (e *AuthError) Unwrap() error { return e.cause }

// Refused reports that the upstream does not accept the client credentials.
func (e *AuthError) Refused() bool { return e.Answer.Status == http.StatusUnauthorized }

// Difference is a field of a reply that is not as the contract has it. Names of fields are as they came, or hidden where they may be
// more than names.
type Difference struct {
	Op Op
	In string // the list that it stands in an item of; "": the reply itself
	shape.Difference
	Error bool // the reply says that the operation failed
}

// compare tells in which fields a reply differs from the contract, each once.
func (c *Client) compare(r request, status int, body []byte) {
	body = withoutMark(body)
	var found []Difference
	add := func(in string, fields []shape.Field, object []byte) {
		for _, d := range shape.Compare(fields, object) {
			d.Field, d.Like = c.fieldName(d.Field), c.fieldName(d.Like)
			difference := Difference{Op: r.op, In: in, Difference: d, Error: !r.success(status)}
			same := func(other Difference) bool {
				return other.In == in && other.Field == d.Field && other.Problem == d.Problem && other.Is == d.Is
			}
			if len(found) < mostDifferences && !slices.ContainsFunc(found, same) {
				found = append(found, difference)
			}
		}
	}
	switch {
	case status >= http.StatusBadRequest:
		add("", fieldsOfError(), body)
	case !r.success(status):
	case r.op == OpAuthenticate:
		add("", fieldsOfToken(), body)
	case r.op == OpCheck:
		add("", fieldsOfCheck(), body)
	case r.op == OpCheckBulk:
		add("", fieldsOfList(), body)
		for _, item := range resultsOf(body) {
			add(listOfResults, fieldsOfCheck(), item)
		}
	}
	for _, d := range found {
		c.differs(d)
	}
}

// mostDifferences bounds what is told of one reply.
const mostDifferences = 50

var fieldNamePattern = regexp.MustCompile(`^[A-Za-z_-][A-Za-z0-9_-]{0,39}$`)

// fieldName is a name of a field as it may be shown: somebody's domain, address or secret may stand in place of one.
func (c *Client) fieldName(name string) string {
	if name == "" || fieldNamePattern.MatchString(name) {
		return c.cleanLazily(name, nil)
	}
	return "(hidden)"
}

// decodeObject takes one JSON object, with or without a byte order mark, and nothing after it.
func decodeObject(body []byte, into any) error {
	body = withoutMark(body)
	if len(body) == 0 {
		return errors.New("reply is empty")
	}
	if body[0] != '{' {
		return errors.New("reply is not a JSON object")
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("decode reply: %w", err)
	}
	return nil
}

// withoutMark is a reply without a byte order mark, and without white space around it.
func withoutMark(body []byte) []byte {
	return bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
}
