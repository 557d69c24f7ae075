package queue

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Bounds of a chunk. A payload past them is refused by Encode and by DecodeChunk alike.
const (
	MaxJobs         = 1000
	MaxPayloadBytes = 1 << 20
	MaxReference    = 128 // bytes of an order's reference
	MaxName         = 64  // bytes of the name of a source or account
	maxDomain       = 253
)

// version is the form of payload that this package writes. A payload without one is of this form too.
const version = 1

// defaultAccount is that of a payload that names none.
const defaultAccount = "default"

// Chunk is the payload of a task: jobs of one order, of one kind and account.
type Chunk struct {
	Version int    `json:"v,omitempty"`
	Order   string `json:"order"`
	Source  string `json:"source"`
	Account string `json:"account"`
	Jobs    []Job  `json:"jobs"`
}

// Job is one job in a chunk.
//
// A producer's own task names the domain and, for a registration, what belongs to it, or the person that a token is for; package
// job has the rules. Its ID names nothing: what a job is, and so a repeat of it, is known by source, order, kind, and domain or
// person. A task of the dispatcher has ID and Epoch, and Postgres has the rest; it never holds a person's details.
type Job struct {
	ID           uuid.UUID `json:"id,omitzero"`
	Domain       string    `json:"domain,omitempty"`
	HolderID     string    `json:"holder_id,omitempty"`
	PeriodMonths int       `json:"period,omitempty"`
	Nameservers  []string  `json:"nameservers,omitempty"`
	// AllowStatus are words of a WHOIS status, such as premium, with which the domain may be registered all the same.
	AllowStatus []string `json:"allow_status,omitempty"`
	// These are for tokens. Names and lengths are GetToken's.
	Email        string `json:"email,omitempty"`
	Originator   string `json:"originator,omitempty"`
	LanguageCode string `json:"languageCode,omitempty"`
	FirstName    string `json:"firstname,omitempty"`
	LastName     string `json:"lastname,omitempty"`
	// PrivacyConsent says whether the person agreed to the privacy terms. It has to be given, and nil is not: see job.Fields.
	PrivacyConsent *bool `json:"privacyConsent,omitempty"`
	// Epoch is nil in a producer's own task: the worker then writes the job's row first.
	Epoch *int `json:"epoch,omitempty"`
}

// PayloadError says what is wrong with a payload. No redelivery fixes it. It quotes nothing of the payload but the names of
// fields and, where it is a number, the version.
type PayloadError struct {
	Reason string
	// UnknownVersion says that the payload has a form that this program does not know. A newer one may.
	UnknownVersion bool
}

func (e *PayloadError) Error() string { return "invalid chunk: " + e.Reason }

func invalid(format string, args ...any) error {
	return &PayloadError{Reason: fmt.Sprintf(format, args...)}
}

// Encode checks the chunk and writes its payload.
func (c Chunk) Encode() ([]byte, error) {
	c.Version = version
	if err := c.check(); err != nil {
		return nil, err
	}
	b, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode chunk: %w", err)
	}
	if len(b) > MaxPayloadBytes {
		return nil, invalid("%d bytes, at most %d", len(b), MaxPayloadBytes)
	}
	return b, nil
}

// DecodeChunk reads a payload and checks it. Its error is a *PayloadError.
//
// A job may cost money, so nothing is guessed: a payload of another version, with a field that is not known or that is given
// twice, with text that is not UTF-8, or with anything behind it is refused as a whole. A field's name is written as in
// Chunk. A field that is added to a kind gives the payload a new version, so workers must be newer than producers.
// Whether its jobs are of the kind of the task that carries it is for CheckKind to say.
func DecodeChunk(payload []byte) (Chunk, error) {
	c, err := readChunk(payload)
	if err != nil {
		return Chunk{}, err
	}
	if c.Account == "" {
		c.Account = defaultAccount
	}
	if err := c.check(); err != nil {
		return Chunk{}, err
	}
	return c, nil
}

func readChunk(payload []byte) (Chunk, error) {
	if len(payload) > MaxPayloadBytes {
		return Chunk{}, invalid("%d bytes, at most %d", len(payload), MaxPayloadBytes)
	}
	if !utf8.Valid(payload) {
		return Chunk{}, invalid("not UTF-8")
	}
	var c Chunk
	dec := json.NewDecoder(bytes.NewReader(payload))
	err := dec.Decode(&c)
	if errors.As(err, new(*json.SyntaxError)) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return Chunk{}, invalid("not JSON of the expected form%s", place(err))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Chunk{}, invalid("something follows the JSON object")
	}
	if err := c.checkVersion(); err != nil { // another one may have other fields, or the same in another form
		return Chunk{}, err
	}
	if err != nil {
		return Chunk{}, invalid("not JSON of the expected form%s", place(err))
	}
	if err := checkFields(payload); err != nil {
		return Chunk{}, err
	}
	return c, nil
}

// place says where JSON is at fault, as far as that can be said without its data.
func place(err error) string {
	var (
		misfit *json.UnmarshalTypeError
		syntax *json.SyntaxError
	)
	switch {
	case errors.As(err, &misfit) && misfit.Field != "":
		found, _, _ := strings.Cut(misfit.Value, " ") // the number itself may follow
		return fmt.Sprintf(": %s cannot be this %s", misfit.Field, found)
	case errors.As(err, &syntax):
		return fmt.Sprintf(": broken at byte %d", syntax.Offset)
	}
	return ""
}

// FromProducer says whether a producer made the chunk, so that its rows may not be there yet.
func (c Chunk) FromProducer() bool { return len(c.Jobs) > 0 && c.Jobs[0].Epoch == nil }

func (c Chunk) checkVersion() error {
	if c.Version == 0 || c.Version == version { // 0: it has none
		return nil
	}
	err := &PayloadError{Reason: fmt.Sprintf("version %d, this worker knows %d", c.Version, version), UnknownVersion: true}
	if c.Version > version {
		err.Reason += ": run a newer worker"
	}
	return err
}

func (c Chunk) check() error {
	switch {
	case len(c.Jobs) == 0:
		return invalid("no jobs")
	case len(c.Jobs) > MaxJobs:
		return invalid("%d jobs, at most %d", len(c.Jobs), MaxJobs)
	}
	for field, s := range map[string]string{"order": c.Order, "source": c.Source, "account": c.Account} {
		limit := MaxName
		if field == "order" {
			limit = MaxReference
		}
		if err := CheckName(s, limit); err != nil {
			return invalid("%s %v", field, err)
		}
	}
	check := Job.checkDomain
	if c.about() == aboutPeople {
		check = Job.checkPerson
	}
	for i, j := range c.Jobs {
		if err := errors.Join(check(j), j.checkIdentity(c.FromProducer())); err != nil {
			first, _, _ := strings.Cut(err.Error(), "\n")
			return invalid("job %d: %s", i, first)
		}
	}
	return nil
}

// CheckName checks a reference, source or account: not empty, at most limit bytes, printable, without spaces
// around it.
func CheckName(s string, limit int) error {
	switch {
	case s == "":
		return errors.New("is empty")
	case len(s) > limit:
		return fmt.Errorf("is longer than %d bytes", limit)
	case !utf8.ValidString(s):
		return errors.New("is not UTF-8")
	case s != strings.TrimSpace(s):
		return errors.New("has spaces around it")
	case strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }):
		return errors.New("has a character that cannot be printed")
	}
	return nil
}
