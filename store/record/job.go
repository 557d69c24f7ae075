// Package record has the rows of the ledger as Go values, and the SQL that several rooms of the store read them with.
//
// It decides nothing and reads nothing by itself.
package record

import (
	"time"

	"github.com/google/uuid"
)

// Kind is what a job asks for.
type Kind string

// The kinds.
const (
	Whois    Kind = "whois"
	Register Kind = "register"
	Token    Kind = "token"
)

// Lane keeps small orders from waiting behind large ones.
type Lane string

// The lanes: Plain for orders that fit a chunk, Bulk for the rest.
const (
	Plain Lane = "plain"
	Bulk  Lane = "bulk"
)

// State is where a job stands.
type State string

const (
	// Queued jobs wait for the dispatcher, which delivers them, or for a worker, which claims them.
	// Should the delivery get lost, the wake_at of the job or of its chunk passes and the dispatcher
	// delivers it again, under a new epoch.
	Queued State = "queued"
	// Running jobs are claimed. The worker settles them; should it die, the rescuer takes them back when the
	// claim's lease has passed.
	Running State = "running"
	// Retrying jobs wait for wake_at, when the dispatcher delivers them.
	Retrying State = "retrying"
	// Held jobs wait for the hold on their account to be lifted.
	Held State = "held"
	// Unconfirmed jobs were sent, nobody knows with what effect, and their domain is taken now. An operator
	// settles them, or a late reply does. They are never sent again.
	Unconfirmed State = "unconfirmed"
	// Succeeded is final, as the next two are: only an operator's recorded act changes them.
	Succeeded State = "succeeded"
	// Failed is final; Outcome says how.
	Failed State = "failed"
	// Canceled is final: an operator ended it.
	Canceled State = "canceled"
)

// States lists every state, in the order in which people read them.
func States() []State {
	return []State{Queued, Running, Retrying, Held, Unconfirmed, Succeeded, Failed, Canceled}
}

// Final says whether nothing more will happen to a job by itself.
func (s State) Final() bool { return s == Succeeded || s == Failed || s == Canceled }

// Outcome is how a final job ended.
type Outcome string

// The outcomes. Available and Taken end a WHOIS check well; for a registration Taken is a failure.
const (
	Available    Outcome = "available"
	Taken        Outcome = "taken"
	Registered   Outcome = "registered"
	Rejected     Outcome = "rejected"
	Duplicate    Outcome = "duplicate"
	Exhausted    Outcome = "exhausted"
	Issued       Outcome = "issued"
	TokenExpired Outcome = "expired" // it was issued, and its time is over
)

// Outcomes lists every outcome, in the order in which people read them.
func Outcomes() []Outcome {
	return []Outcome{Registered, Issued, TokenExpired, Available, Taken, Rejected, Duplicate, Exhausted}
}

// Job is a job as a reader sees it.
type Job struct {
	ID            uuid.UUID
	OrderID       int64
	Source        string
	Reference     string
	Seq           int
	Kind          Kind
	Account       string
	Domain        string // ASCII form, which rules; of a token the person's subject
	DomainUnicode string // "" where it is the same
	HolderID      string
	PeriodMonths  int // 0: the upstream's default
	Nameservers   []string
	AllowStatus   []string // words of a WHOIS status that do not bar the registration
	WhoisStatus   string   // what WHOIS said last beside available or taken; "" for nothing
	State         State
	Outcome       Outcome // "" until final
	Attempts      int
	LastError     string
	CreatedAt     time.Time
	WakeAt        time.Time // zero: no wake-up of its own
	FinishedAt    time.Time // zero until final
	// PrivacyConsent is what a token's order said of its person when it came, at CreatedAt; nil for other kinds, or for nothing.
	PrivacyConsent *bool
	Canceling      bool // an operator has canceled it, and a check must show first that no call had an effect
}
