// Package seal encrypts what must not lie in the database in the clear: tokens, the URLs that hold them, and people.
//
// AES-256-GCM, with a random nonce for each text. A sealed text says which key it needs, so that several are in use while one is
// replaced by another, and it opens only for what it was sealed for: moved to another job, it does not open. The package must
// never print a key or a text, and knows neither Postgres nor where keys come from.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// Sizes in bytes.
const (
	KeySize   = 32
	idSize    = 8
	nonceSize = 12
	tagSize   = 16
	// Overhead is how much longer a sealed text is.
	Overhead = 1 + idSize + nonceSize + tagSize
)

// form is the first byte of what is sealed. Another way to seal needs another one: the result is kept.
const form = 1

// keyLabel begins what a key's id is a digest of.
const keyLabel = "bulkreg key 1\x00"

var (
	// ErrNoKey says that there is no key to seal or open with.
	ErrNoKey = errors.New("there is no encryption key: make one with `openssl rand -base64 32` and set TOKEN_ENCRYPTION_KEY, or TOKEN_ENCRYPTION_KEY_FILE to a file that holds it")
	// ErrBroken says that a text was sealed for something else, was changed, or is none.
	ErrBroken = errors.New("the sealed text is not what was sealed for this")
)

// UnknownKeyError says that a text was sealed with a key that is not among those given.
type UnknownKeyError struct {
	ID string // of the key, which tells nothing of it
}

func (e *UnknownKeyError) Error() string {
	return fmt.Sprintf("the text was sealed with key %s, which is not among those of TOKEN_ENCRYPTION_KEY: put it there again, behind the one in use", e.ID)
}

type key struct {
	id   [idSize]byte
	aead cipher.AEAD
}

// Keys seal with the first of them, and open with any. The zero Keys are none. They print as nothing, and may be used
// concurrently.
type Keys struct{ all []key }

// Format answers every verb alike.
func (k Keys) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "[%d encryption keys]", len(k.all)) }

// LogValue hides the keys.
func (k Keys) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(k)) }

// maxKeys bounds how many keys may be in use at once.
const maxKeys = 8

// ParseKeys reads keys, each as base64 of 32 bytes, with commas or line breaks between them. The first one seals. Its error
// counts keys, and shows nothing of them. Without any key it gives none.
func ParseKeys(text string) (Keys, error) {
	var keys Keys
	for entry := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' }) {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		n := len(keys.all) + 1
		next, err := parseKey(entry)
		if err != nil {
			return Keys{}, fmt.Errorf("key %d: %w", n, err)
		}
		if _, known := keys.find(next.id); known {
			return Keys{}, fmt.Errorf("key %d repeats an earlier one: keep one of them", n)
		}
		if n > maxKeys {
			return Keys{}, fmt.Errorf("there are more than %d keys: remove those with which nothing is sealed any more", maxKeys)
		}
		keys.all = append(keys.all, next)
	}
	return keys, nil
}

func parseKey(text string) (key, error) {
	const advice = "make one with `openssl rand -base64 32`"
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		raw, err = base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	}
	switch {
	case err != nil:
		return key{}, errors.New("it is not base64: " + advice)
	case len(raw) != KeySize:
		return key{}, fmt.Errorf("it is %d bytes long, not %d: %s", len(raw), KeySize, advice)
	case strings.Count(string(raw), string(raw[:1])) == len(raw):
		return key{}, errors.New("it is one byte again and again: " + advice)
	}
	return newKey(raw)
}

func newKey(raw []byte) (key, error) {
	block, err := aes.NewCipher(raw)
	if err != nil {
		return key{}, fmt.Errorf("use key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return key{}, fmt.Errorf("use key: %w", err)
	}
	made := key{aead: aead}
	sum := sha256.Sum256(append([]byte(keyLabel), raw...))
	copy(made.id[:], sum[:])
	return made, nil
}

// NewKey makes a key, in the form that ParseKeys reads.
func NewKey() string {
	raw := make([]byte, KeySize)
	rand.Read(raw) // never fails, by its documentation
	return base64.StdEncoding.EncodeToString(raw)
}

// Empty says that there are no keys.
func (k Keys) Empty() bool { return len(k.all) == 0 }

func (k Keys) find(id [idSize]byte) (key, bool) {
	for _, one := range k.all {
		if one.id == id {
			return one, true
		}
	}
	return key{}, false
}

// Use is what a text is sealed for. It opens for the same alone.
type Use struct {
	What  string   // what the text is, such as token
	Order string   // the order's name, of which its source is a part
	Job   [16]byte // the job's id
}

// bound is what a sealed text is bound to, beside its own head.
func (u Use) bound(head []byte) []byte {
	b := append([]byte("bulkreg seal"), head...)
	for _, part := range []string{u.What, u.Order} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	return append(b, u.Job[:]...)
}

// Seal encrypts a text. Its error is ErrNoKey.
func (k Keys) Seal(text []byte, use Use) ([]byte, error) {
	if k.Empty() {
		return nil, ErrNoKey
	}
	with := k.all[0]
	sealed := make([]byte, 1+idSize+nonceSize, len(text)+Overhead)
	sealed[0] = form
	copy(sealed[1:], with.id[:])
	nonce := sealed[1+idSize:]
	rand.Read(nonce) // never fails, by its documentation
	return with.aead.Seal(sealed, nonce, text, use.bound(sealed[:1+idSize])), nil
}

// Open gives a text back. Its error is ErrNoKey, ErrBroken or an *UnknownKeyError.
func (k Keys) Open(sealed []byte, use Use) ([]byte, error) {
	if len(sealed) < Overhead || sealed[0] != form {
		return nil, ErrBroken
	}
	if k.Empty() {
		return nil, ErrNoKey
	}
	var id [idSize]byte
	copy(id[:], sealed[1:])
	with, known := k.find(id)
	if !known {
		return nil, &UnknownKeyError{ID: hex.EncodeToString(id[:])}
	}
	head, rest := sealed[:1+idSize], sealed[1+idSize:]
	text, err := with.aead.Open(nil, rest[:nonceSize], rest[nonceSize:], use.bound(head))
	if err != nil {
		return nil, ErrBroken
	}
	return text, nil
}
