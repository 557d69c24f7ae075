package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Kind is how a fault shows in the reply.
type Kind string

// How faults show. The first ones concern a reply as a whole.
const (
	KindStatus      Kind = "status"       // Fault.Status instead of the real answer
	KindQuote       Kind = "quote"        // Fault.Status, quoting the call's holders, or the newest, in the spelling Fault.Word or in turn; in GetToken the person and the newest token
	KindCut         Kind = "cut"          // the line is closed before any byte of reply
	KindReset       Kind = "reset"        // the same with a TCP reset
	KindBlackHole   Kind = "black-hole"   // nothing, until the client gives up
	KindAccepted    Kind = "accepted"     // 202 for the whole call; with EffectAll and no Fault.Message with the real results
	KindPending     Kind = "pending"      // register items that would succeed say Fault.Word instead, Fault.Items of them
	KindHTML        Kind = "html"         // 200 with a web page instead of JSON
	KindSlow        Kind = "slow"         // the real answer, after Fault.Delay
	KindTrickle     Kind = "trickle"      // the real answer, one byte every Fault.Interval
	KindTruncate    Kind = "truncate"     // half of the real answer, then the line is closed
	KindHalfJSON    Kind = "half-json"    // half of the real answer, framed as if it were whole
	KindContentType Kind = "content-type" // the real answer as text/plain
	KindGzip        Kind = "gzip"         // the real answer, compressed although nobody asked for it
	KindOddCode     Kind = "odd-code"     // the real answer, with Fault.Code as the statusCode of Fault.Items items, or as a token's status
	KindDropField   Kind = "drop-field"   // the real answer, without the field Fault.Field in any of its objects
	KindRenameField Kind = "rename-field" // the real answer, with that field called Fault.Word
	KindAddField    Kind = "add-field"    // the real answer, with that field in the objects that have no list, Fault.Code as JSON or 1
	KindRefuse      Kind = "refuse"       // whois and register items under Fault.Suffix fail alone, in the same words

	// KindMissing and those below change the results of a whois or register call that is answered 200, Fault.Items of them. They count as
	// fired only if the reply then differs from the truth.
	KindMissing Kind = "missing" // left out; bulk calls
	KindDoubled Kind = "doubled" // sent twice; bulk calls
	KindExtra   Kind = "extra"   // results nobody asked for are added; bulk calls
	KindUpper   Kind = "upper"   // domains are in upper case
	KindUnicode Kind = "unicode" // xn-- domains are in Unicode; hits only calls that have one
	KindTaken   Kind = "taken"   // WHOIS says taken, wrongly
	KindFree    Kind = "free"    // WHOIS says available, wrongly
)

// Effect is how much of the work is done when a fault hits.
type Effect string

const (
	// EffectDefault is EffectNone for status, quote, cut, reset, black-hole, accepted and pending, and EffectAll for the others.
	EffectDefault Effect = ""
	// EffectNone is nothing of the work.
	EffectNone Effect = "none"
	// EffectAll is all of it.
	EffectAll Effect = "all"
	// EffectFirst is the first Fault.K items of whois and register, in the order received.
	EffectFirst Effect = "first"
	// EffectLate is all of it, but only after Fault.Delay, and for a black hole after the client gave up too. Accepted and
	// pending are answered first, and the delay begins then.
	EffectLate Effect = "late"
)

// Always as Fault.Count hits every request.
const Always = -1

// Fault is something to go wrong. A request is hit by the first fault injected that matches it and is not used
// up, and only if it shows a valid token.
type Fault struct {
	Op      Op     `json:"op"`
	Account string `json:"account,omitempty"` // client id; empty for every account
	Domain  string `json:"domain,omitempty"`  // only calls that hold this domain; empty for every call
	Suffix  string `json:"suffix,omitempty"`  // only calls that hold a domain under it, such as nl; empty for every call
	Skip    int    `json:"skip,omitempty"`    // matching requests to let pass first
	Count   int    `json:"count,omitempty"`   // requests to hit after them; 0 is one, Always is every one

	Kind   Kind   `json:"kind"`
	Effect Effect `json:"effect,omitempty"`
	K      int    `json:"k,omitempty"`     // of EffectFirst
	Items  int    `json:"items,omitempty"` // results to change; 0 is one
	Word   string `json:"word,omitempty"`  // of KindPending, pending if empty; of KindQuote, the name of one of Spellings, or empty
	Code   string `json:"code,omitempty"`  // of KindOddCode, as JSON; 99999999999 if empty
	Field  string `json:"field,omitempty"` // of KindDropField, KindRenameField and KindAddField

	Status         int           `json:"status,omitempty"`           // of KindStatus and KindQuote, 300 to 599; of KindRefuse, 422 if 0
	Message        string        `json:"message,omitempty"`          // of KindStatus, KindAccepted and KindRefuse; a stock text if empty
	Bare           bool          `json:"bare,omitempty"`             // a web page instead of the documented error body
	Location       string        `json:"location,omitempty"`         // of KindStatus; where a redirect leads
	RetryAfter     time.Duration `json:"retry_after,omitempty"`      // of KindStatus; sent in whole seconds
	RetryAfterDate bool          `json:"retry_after_date,omitempty"` // as an HTTP date by the sandbox's clock

	Delay    time.Duration `json:"delay,omitempty"`    // before the reply, or with EffectLate before the effect alone
	Interval time.Duration `json:"interval,omitempty"` // of KindTrickle; 0 is one second
}

var errFault = errors.New("invalid fault")

func (f Fault) effect() Effect {
	if f.Effect != EffectDefault {
		return f.Effect
	}
	switch f.Kind {
	case KindStatus, KindQuote, KindCut, KindReset, KindBlackHole, KindAccepted, KindPending:
		return EffectNone
	}
	return EffectAll
}

// ofResults reports that a fault changes single results.
func (f Fault) ofResults() bool {
	switch f.Kind {
	case KindMissing, KindDoubled, KindExtra, KindUpper, KindUnicode, KindTaken, KindFree:
		return true
	}
	return false
}

// ofFields reports that a fault changes the fields of an answer.
func (f Fault) ofFields() bool {
	return f.Kind == KindDropField || f.Kind == KindRenameField || f.Kind == KindAddField
}

func (f Fault) validate() error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", errFault, fmt.Sprintf(format, args...))
	}
	kinds := []Kind{KindStatus, KindQuote, KindCut, KindReset, KindBlackHole, KindAccepted, KindPending, KindHTML, KindSlow, KindTrickle,
		KindTruncate, KindHalfJSON, KindContentType, KindGzip, KindOddCode,
		KindDropField, KindRenameField, KindAddField, KindRefuse, KindMissing, KindDoubled, KindExtra, KindUpper, KindUnicode, KindTaken, KindFree}
	ops := []Op{OpAuthenticate, OpWhois, OpRegister, OpHolder, OpToken, OpAny}
	effects := []Effect{EffectDefault, EffectNone, EffectAll, EffectFirst, EffectLate}
	showsAnswer := slices.Contains(kinds[slices.Index(kinds, KindSlow):], f.Kind)
	switch {
	case !slices.Contains(ops, f.Op):
		return fail("op %q is none of %q", f.Op, ops)
	case !slices.Contains(kinds, f.Kind):
		return fail("kind %q is none of %q", f.Kind, kinds)
	case !slices.Contains(effects, f.Effect):
		return fail("effect %q is none of %q", f.Effect, effects)
	case (f.Kind == KindStatus || f.Kind == KindQuote) && (f.Status < 300 || f.Status > 599):
		return fail("status is %d, give 300 to 599", f.Status)
	case f.Kind == KindQuote && f.Word != "" && !slices.ContainsFunc(Spellings(), func(s Spelling) bool { return s.Name == f.Word }):
		return fail("word %q is none of the spellings", f.Word)
	case showsAnswer && (f.Effect == EffectNone || f.Effect == EffectFirst):
		return fail("kind %q shows the real answer, so its effect is all or late", f.Kind)
	case f.Effect == EffectFirst && f.K < 1:
		return fail("effect first needs k, one or more")
	case f.Kind == KindPending && (f.Op != OpRegister || f.Effect == EffectFirst):
		return fail("kind %q needs op %q, and the effect none, all or late", f.Kind, OpRegister)
	case f.Kind == KindRefuse && f.Op != OpWhois && f.Op != OpRegister:
		return fail("kind %q needs op %q or %q", f.Kind, OpWhois, OpRegister)
	case f.Kind == KindOddCode && f.Op != OpWhois && f.Op != OpRegister && f.Op != OpToken:
		return fail("kind %q needs op %q, %q or %q", f.Kind, OpWhois, OpRegister, OpToken)
	case f.Kind == KindRefuse && f.Status != 0 && (f.Status < 400 || f.Status > 599):
		return fail("status is %d, give 400 to 599", f.Status)
	case f.ofFields() && f.Field == "", f.Kind == KindRenameField && f.Word == "":
		return fail("kind %q needs a field, and %q also a word", f.Kind, KindRenameField)
	case f.Code != "" && !json.Valid([]byte(f.Code)):
		return fail("code %q is no JSON", f.Code)
	case f.Kind == KindSlow && f.Delay <= 0:
		return fail("kind slow needs a delay")
	case f.ofResults() && f.Op != OpWhois && f.Op != OpRegister && f.Op != OpAny:
		return fail("kind %q changes results, which %q has none of", f.Kind, f.Op)
	case (f.Kind == KindTaken || f.Kind == KindFree) && f.Op != OpWhois:
		return fail("kind %q needs op %q", f.Kind, OpWhois)
	case f.Skip < 0, f.Count < Always, f.Items < 0, f.Delay < 0, f.Interval < 0, f.RetryAfter < 0:
		return fail("skip, items and times are not negative, and count is %d or more", Always)
	}
	return nil
}

// matches reports whether a fault is meant for a request, and could show in its reply.
func (f Fault) matches(op Op, account string, t task) bool {
	if (f.Op != OpAny && f.Op != op) || (f.Account != "" && f.Account != account) {
		return false
	}
	if f.Domain != "" {
		name, _ := canonical(f.Domain)
		if !slices.ContainsFunc(t.items, func(i Item) bool { return i.Domain == name }) {
			return false
		}
	}
	if f.Suffix != "" && !slices.ContainsFunc(t.items, func(i Item) bool { return f.under(i.Domain) }) {
		return false
	}
	switch f.Kind {
	case KindMissing, KindDoubled, KindExtra:
		return t.bulk
	case KindUnicode:
		return slices.ContainsFunc(t.items, func(i Item) bool { return hasPunycode(i.Domain) })
	case KindOddCode:
		return len(t.items) > 0 || op == OpToken
	case KindUpper, KindTaken, KindFree, KindPending, KindRefuse:
		return len(t.items) > 0
	}
	return true
}

func hasPunycode(domain string) bool {
	return strings.HasPrefix(domain, "xn--") || strings.Contains(domain, ".xn--")
}

func (f Fault) retryAfter(now time.Time) string {
	if f.RetryAfterDate {
		return now.Add(f.RetryAfter).UTC().Format(http.TimeFormat)
	}
	return strconv.Itoa(int((f.RetryAfter + time.Second - 1) / time.Second))
}

// Injected is a fault in its place. It stays readable after it was removed.
type Injected struct {
	ID    string
	fault Fault
	owner *faults

	seen, used, fired int // guarded by owner.mu
}

// Fired is how many requests the fault has hit so far. A fault that changes results counts once they are changed,
// any other as soon as it takes hold of the request.
func (i *Injected) Fired() int {
	i.owner.mu.Lock()
	defer i.owner.mu.Unlock()
	return i.fired
}

// Remove ends the fault for further requests.
func (i *Injected) Remove() {
	i.owner.mu.Lock()
	defer i.owner.mu.Unlock()
	i.owner.list = slices.DeleteFunc(i.owner.list, func(other *Injected) bool { return other == i })
}

// Inject puts a fault in its place, behind those already there.
func (s *Sandbox) Inject(f Fault) (*Injected, error) {
	if err := f.validate(); err != nil {
		return nil, err
	}
	if f.Count == 0 {
		f.Count = 1
	}
	return s.faults.add(f)
}

// ClearFaults removes every fault.
func (s *Sandbox) ClearFaults() { s.faults.clear() }

// maxFaults bounds the faults in place; each request looks through them.
const maxFaults = 1000

type faults struct {
	mu   sync.Mutex
	last int
	list []*Injected
}

func (fs *faults) add(f Fault) (*Injected, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if len(fs.list) >= maxFaults {
		return nil, fmt.Errorf("%w: %d faults are in place already, clear them first", errFault, maxFaults)
	}
	fs.last++
	i := &Injected{ID: "f" + strconv.Itoa(fs.last), fault: f, owner: fs}
	fs.list = append(fs.list, i)
	return i, nil
}

func (fs *faults) clear() []FaultStatus {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	was := fs.status()
	fs.list = nil
	return was
}

// pick takes the fault that hits a request, nil if none does.
func (fs *faults) pick(op Op, account string, t task) *Injected {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, i := range fs.list {
		if i.fault.Count != Always && i.used >= i.fault.Count || !i.fault.matches(op, account, t) {
			continue
		}
		if i.seen++; i.seen <= i.fault.Skip {
			continue
		}
		i.used++
		if !i.fault.ofResults() {
			i.fired++
		}
		return i
	}
	return nil
}

// settle counts a fault of results as fired, or gives the hit back because there were no results to change.
func (i *Injected) settle(changed bool) {
	i.owner.mu.Lock()
	defer i.owner.mu.Unlock()
	if changed {
		i.fired++
	} else {
		i.used--
	}
}
