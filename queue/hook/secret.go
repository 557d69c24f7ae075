package hook

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"
)

const (
	hmacBytes = 32 // the specification asks for 24 to 64
	seedBytes = ed25519.SeedSize
)

// ErrForm says that kept bytes are no secret.
var ErrForm = errors.New("it is no secret of a webhook")

// Secret is with what an endpoint's deliveries are signed: a shared secret for v1, and a key of ed25519 for v1a. It prints as nothing.
type Secret struct{ bytes []byte }

// NewSecret makes a secret of random bytes.
func NewSecret(random io.Reader) (Secret, error) {
	s := Secret{make([]byte, hmacBytes+seedBytes)}
	if _, err := io.ReadFull(random, s.bytes); err != nil {
		return Secret{}, fmt.Errorf("make secret: %w", err)
	}
	return s, nil
}

// SecretOf reads a secret as Bytes gave it.
func SecretOf(kept []byte) (Secret, error) {
	if len(kept) != hmacBytes+seedBytes {
		return Secret{}, ErrForm
	}
	return Secret{kept}, nil
}

// Bytes is what is kept of it, sealed.
func (s Secret) Bytes() []byte { return s.bytes }

// Reveal is the shared secret, for whoever receives: whsec_ and base64.
func (s Secret) Reveal() string {
	return "whsec_" + base64.StdEncoding.EncodeToString(s.bytes[:hmacBytes])
}

func (s Secret) private() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(s.bytes[hmacBytes:]) }

// PublicKey is what v1a signatures are verified with. It is no secret.
func (s Secret) PublicKey() []byte { return s.private()[seedBytes:] }

// PublicText is a public key as people see it: whpk_ and base64.
func PublicText(key []byte) string { return "whpk_" + base64.StdEncoding.EncodeToString(key) }

// Sign signs a message in both ways: the value of webhook-signature for one secret.
func (s Secret) Sign(id string, at time.Time, body []byte) string {
	signed := append([]byte(id+"."+strconv.FormatInt(at.Unix(), 10)+"."), body...)
	mac := hmac.New(sha256.New, s.bytes[:hmacBytes])
	mac.Write(signed)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)) +
		" v1a," + base64.StdEncoding.EncodeToString(ed25519.Sign(s.private(), signed))
}

// Format prints nothing of it, whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[secret]") }

// LogValue hides it.
func (Secret) LogValue() slog.Value { return slog.StringValue("[secret]") }

// MarshalText hides it from JSON.
func (Secret) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }
