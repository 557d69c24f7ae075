package registrar

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

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

// decodeObject takes one JSON object, with or without a byte order mark, and nothing after it.
func decodeObject(body []byte, into any) error {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
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
