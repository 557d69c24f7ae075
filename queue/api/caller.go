package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/queue/apikey"
	"github.com/bulkreg/bulkreg/queue/listener"
	"github.com/bulkreg/bulkreg/store/orders"
)

// Caller is who makes a request, as its key says.
type Caller struct {
	KeyID             string
	Source            string // whose orders it sees, and makes
	Role              apikey.Role
	RequestsPerMinute int  // 0: as many as any other
	JobsPerOrder      int  // 0: as many as an order may have
	Daily             bool // its orders count against a daily limit
}

// operator is whom the record of an act names.
func (c Caller) operator() string {
	const most = 64
	name := "key " + c.KeyID + " of " + c.Source
	if len(name) > most {
		name = "key " + c.KeyID
	}
	return name
}

// ErrNoKey says that a key is none, is revoked or has expired.
var ErrNoKey = errors.New("the key is not valid")

// RefusedKeyError is an ErrNoKey that says why. That is for the log: a caller is told the same of all of them.
type RefusedKeyError struct {
	KeyID string // "" where the text has not the form of a key
	Why   string
}

func (e *RefusedKeyError) Error() string { return ErrNoKey.Error() + ": " + e.Why }

// Is makes it an ErrNoKey.
func (e *RefusedKeyError) Is(target error) bool { return target == ErrNoKey }

// ErrBusy says that too many keys that nobody knows are asked for: whoever has a good one may try again in a second.
var ErrBusy = errors.New("too many unknown keys are presented")

// Keys tells who calls. Its errors are ErrNoKey, ErrBusy, *keys.LimitError and others of the store.
type Keys interface {
	// Authenticate tells whose key was presented, as it came.
	Authenticate(ctx context.Context, presented string) (Caller, error)
	// Charge is what an order costs a key of its daily limits, to be booked with the order; nil for a key that has none. It fails where
	// they are reached already.
	Charge(ctx context.Context, c Caller, jobs int, register bool) (orders.Charge, error)
}

type callerKey struct{}

// callerOf is who made the request of a context.
func callerOf(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// presentedBy is the key that a request presents, "" for none.
func presentedBy(r *http.Request) string {
	scheme, presented, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return strings.TrimSpace(presented)
}

// authenticated lets only those through who have a key, and not too often.
func (a *API) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		presented := presentedBy(r)
		if presented == "" {
			a.turnAway(w, r, "Send the key in the header Authorization: Bearer KEY.")
			return
		}
		caller, err := a.options.Keys.Authenticate(r.Context(), presented)
		if errors.Is(err, ErrNoKey) {
			noteRefused(r.Context(), err)
			a.turnAway(w, r, "The key is not valid: it is unknown, revoked or has expired.")
			return
		}
		if err != nil {
			a.refuse(w, r, a.told(r.Context(), err))
			return
		}
		noteCaller(r.Context(), caller)
		requestOf(r.Context()).presented = presented
		if p := a.tooOften(w.Header(), caller); p != nil {
			a.refuse(w, r, p)
			return
		}
		end, ok := a.underWay.begin(caller.Source)
		if !ok {
			p := kindTooMany.problem("%d requests of the source are being answered, which is as many as may be at once: end streams that nobody reads.", a.underWay.most)
			p.retryAfter = crowdedFor
			a.refuse(w, r, p)
			return
		}
		defer end()
		defer listener.Keep(r.Context())()
		next.ServeHTTP(w, r.WithContext(context.WithValue(a.traceRequest(r), callerKey{}, caller)))
	})
}

// revoked reports whether the key of a caller that was let in is good no longer: some requests take their time.
func (a *API) revoked(ctx context.Context) bool {
	_, err := a.options.Keys.Authenticate(ctx, requestOf(ctx).presented)
	return errors.Is(err, ErrNoKey)
}

// crowdedFor is after how long somebody may try again whose source has as many requests under way as it may.
const crowdedFor = 5 * time.Second

// turnAway answers whoever has no good key, and tells nobody more than so often that it has none. It looks at the address of the
// connection, which may be a proxy's: that is why it comes after the key, and a good one is let in however many others are not.
func (a *API) turnAway(w http.ResponseWriter, r *http.Request, why string) {
	s := a.strangers.take(addressOf(r.RemoteAddr), strangersPerMinute)
	s.tell(w.Header(), "refused")
	p := kindUnauthorized.problem("%s", why)
	if !s.ok {
		p = kindTooMany.problem("Too many requests without a good key come from this address: %d a minute are answered.", s.limit)
		p.retryAfter = s.wait
	}
	a.refuse(w, r, p)
}

const (
	// strangersPerMinute is how many requests of an address without a good key are told so in a minute.
	strangersPerMinute = 60
	// addressesAtOnce bounds the addresses whose strangers are counted at once.
	addressesAtOnce = 10_000
)

// addressOf is whom a request is counted for: of IPv6, where one machine has as many addresses as it likes, its network.
func addressOf(remote string) string {
	addr, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	ip := addr.Addr().Unmap()
	if ip.Is6() {
		const network = 64
		return netip.PrefixFrom(ip.WithZone(""), network).Masked().String()
	}
	return ip.String()
}

// tooOften is a Problem where a key has made more requests than it may. Every answer tells how many are left.
func (a *API) tooOften(headers http.Header, c Caller) *Problem {
	s := a.limits.take(c.KeyID, cmp.Or(c.RequestsPerMinute, a.options.RequestsPerMinute))
	s.tell(headers, "key")
	if s.ok {
		return nil
	}
	p := kindTooMany.problem("The key may make %d requests a minute.", s.limit)
	p.retryAfter = s.wait
	return p
}

// allowed is a Problem unless the caller's role is enough.
func allowed(ctx context.Context, needed apikey.Role) *Problem {
	if c := callerOf(ctx); !c.Role.May(needed) {
		return kindForbidden.problem("The key has the role %s, and this needs %s.", c.Role, needed)
	}
	return nil
}
