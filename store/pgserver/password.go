package pgserver

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// verifierOf is what Postgres keeps of a password, in the form of pg_authid.rolpassword (RFC 5803), which it also takes in the
// place of the password itself. Passwords of these servers are random, nobody guesses them, so they are not stretched: that
// costs every connection milliseconds, and a hundred times as much where races are looked for.
func verifierOf(password string) (string, error) {
	const iterations = 1
	salt := []byte(rand.Text())[:16]
	salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("derive verifier of the database's password: %w", err)
	}
	stored := sha256.Sum256(keyed(salted, "Client Key"))
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, encode(salt), encode(stored[:]), encode(keyed(salted, "Server Key"))), nil
}

func keyed(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
