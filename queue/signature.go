package queue

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// SignatureHeader is the header of a task, in Asynq's message, in which a producer's signature stands.
const SignatureHeader = "bulkreg-signature"

// signatureForm stands before a signature, and at the beginning of what is signed.
const signatureForm = "v1"

// SignatureError says why a chunk is not known to be its source's. It quotes no signature and no key.
type SignatureError struct{ Reason string }

func (e *SignatureError) Error() string { return "signature: " + e.Reason }

// Sign signs a payload for the task type that carries it: HMAC-SHA-256 over what the form is called, the task type, the source, and
// the bytes of the payload, each but the last with a line break behind it. Neither a type nor a source has one in it. A signature
// is good for nothing but this: not for another kind, nor another source that a payload may be made to name.
func (k Key) Sign(taskType, source string, payload []byte) string {
	return signatureForm + "=" + hex.EncodeToString(k.sum(taskType, source, payload))
}

func (k Key) sum(taskType, source string, payload []byte) []byte {
	mac := hmac.New(sha256.New, []byte(k.text))
	for _, line := range []string{"bulkreg chunk " + signatureForm, taskType, source} {
		mac.Write([]byte(line + "\n")) // a hash takes whatever it is given
	}
	mac.Write(payload)
	return mac.Sum(nil)
}

// Verify checks that one of a source's keys has signed the payload of a task. Without any keys it is content. Its error is a
// *SignatureError.
func (k Keys) Verify(taskType, source string, payload []byte, headers map[string]string) error {
	if k.Empty() {
		return nil
	}
	keys, known := k.of[source]
	if !known {
		return &SignatureError{fmt.Sprintf("PRODUCER_KEYS has no key of source %q", source)}
	}
	given, signed := headers[SignatureHeader]
	if !signed {
		return &SignatureError{fmt.Sprintf("a chunk of source %q is not signed", source)}
	}
	digits, known := strings.CutPrefix(given, signatureForm+"=")
	var sum []byte
	if len(digits) == hex.EncodedLen(sha256.Size) { // anybody may have written it, of any size
		sum, _ = hex.DecodeString(digits) // what is not hexadecimal is cut short
	}
	if !known || len(sum) != sha256.Size {
		return &SignatureError{fmt.Sprintf("that of a chunk of source %q has not the form %s=<64 hexadecimal digits>", source, signatureForm)}
	}
	for _, key := range keys {
		if hmac.Equal(sum, key.sum(taskType, source, payload)) {
			return nil
		}
	}
	return &SignatureError{fmt.Sprintf("no key of source %q has signed this payload for %s", source, taskType)}
}
