// Package apikey is the form of the keys with which order systems call the HTTP API, and what a key may do. A key is
//
//	bulkreg_ID_SECRET
//
// ID has 10 signs and is no secret: lists and logs show it. SECRET has 52 signs for 32 random bytes, and 7 more for a checksum over
// all before them, so that a mistyped key is told from a revoked one, and scanners for secrets know a key wherever it was
// left: bulkreg_[a-z2-7]{10}_[a-z2-7]{59}.
//
// It asks no database, and must never print a secret.
package apikey

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"strings"
)

const (
	prefix      = "bulkreg"
	idBytes     = 6 // 10 signs
	secretBytes = 32
	idLength    = 10
	textLength  = 52
	sumLength   = 7
)

// ErrForm says that a text is no key.
var ErrForm = errors.New("it is no key: a key begins with bulkreg_ and is 78 signs long")

func encode(b []byte) string {
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b))
}

// Key is one key with its secret. It prints its id alone.
type Key struct {
	id     string
	secret string // with its checksum
}

// New makes a key of what a source of secret randomness gives, as crypto/rand's Reader is.
func New(random io.Reader) (Key, error) {
	bytes := make([]byte, idBytes+secretBytes)
	if _, err := io.ReadFull(random, bytes); err != nil { // one that is made of fewer could be guessed
		return Key{}, fmt.Errorf("make key: %w", err)
	}
	id := encode(bytes[:idBytes])
	secret := encode(bytes[idBytes:])
	return Key{id, secret + sum(id, secret)}, nil
}

// sum is the checksum of a key.
func sum(id, secret string) string {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], crc32.ChecksumIEEE([]byte(prefix+"_"+id+"_"+secret)))
	return encode(b[:])
}

// Parse reads a key. Its error holds nothing of the text.
func Parse(text string) (Key, error) {
	parts := strings.Split(text, "_")
	if len(parts) != 3 || parts[0] != prefix || len(parts[1]) != idLength || len(parts[2]) != textLength+sumLength {
		return Key{}, ErrForm
	}
	id, secret := parts[1], parts[2]
	// Anybody can compute a checksum, also over signs that no database takes.
	if !ofSigns(id) || !ofSigns(secret) || sum(id, secret[:textLength]) != secret[textLength:] {
		return Key{}, ErrForm
	}
	return Key{id, secret}, nil
}

// IsID reports whether a text has the form of a key's id.
func IsID(text string) bool { return len(text) == idLength && ofSigns(text) }

// ofSigns reports whether a text has no other signs than a key's parts are made of.
func ofSigns(text string) bool { return strings.Trim(text, "abcdefghijklmnopqrstuvwxyz234567") == "" }

// ID is what the key is known by.
func (k Key) ID() string { return k.id }

// Reveal is the whole key, for whoever it was made for.
func (k Key) Reveal() string { return prefix + "_" + k.id + "_" + k.secret }

// Digest is what is kept of the secret.
func (k Key) Digest() [sha256.Size]byte { return sha256.Sum256([]byte(k.secret)) }

// String is the key without its secret.
func (k Key) String() string { return prefix + "_" + k.id + "_…" }

// Format prints no secret, whatever the verb.
func (k Key) Format(f fmt.State, _ rune) { fmt.Fprint(f, k.String()) }

// LogValue hides the secret from logs.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText hides the secret from JSON.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }
