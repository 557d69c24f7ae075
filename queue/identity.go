package queue

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"

	"github.com/google/uuid"
)

// jobNamespace is the namespace of derived job ids; a random UUID, fixed for ever.
var jobNamespace = uuid.MustParse("6d1c3c1e-54f4-4c53-9a4e-9f3f5f0d8b6a")

// JobID derives the id of a job from what it is, so that the same job asked for twice is one job. Its subject is the domain in
// its ASCII form, or a person's Subject. The parts are joined with a byte that none of them can hold.
func JobID(source, order string, kind Kind, subject string) uuid.UUID {
	return uuid.NewSHA1(jobNamespace, []byte(source+"\x00"+order+"\x00"+string(kind)+"\x00"+subject))
}

const (
	// subjectPrefix tells a subject from a domain, which has a dot.
	subjectPrefix = "person-"
	// subjectVersion begins what is digested. Another way to digest needs another version: the result is kept.
	subjectVersion = "bulkreg subject 1"
	// subjectBytes is how much of the digest is kept: 80 bits, which a million people do not share by chance.
	subjectBytes = 10
)

// Subject is what a person is called in ids, lists and logs: person- and 16 letters and digits, made of the e-mail address in
// lower case. It does not show the address, but whoever knows one can compute its subject: it is a pseudonym, not a secret.
func Subject(email string) string {
	sum := sha256.Sum256([]byte(subjectVersion + "\x00" + strings.ToLower(email)))
	letters := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:subjectBytes])
	return subjectPrefix + strings.ToLower(letters)
}
