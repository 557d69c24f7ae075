package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/bulkreg/bulkreg/queue/apikey"
	"github.com/bulkreg/bulkreg/store/keys"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/pg"
)

// keyring knows the keys of a store. What it has read counts for knownFor: so long a revoked key may still be let in.
//
// Anybody can make up ids, and has the database asked for each of them. So what is not there is not kept, where it would drive out what
// is, and only so many are asked for one by one. When there are more, a list of all good ids says whether one is worth asking for.
type keyring struct {
	store  *keys.Keys
	clock  func() time.Time
	asking *rate.Limiter // for ids that are not known

	mu    sync.Mutex
	known map[string]knownKey

	listing sync.Mutex
	good    map[string]bool // ids
	listed  time.Time       // when good was read
}

type knownKey struct {
	keys.Key

	none bool // there is no such key
	read time.Time
	used time.Time // when its use was noted here last
}

const (
	knownFor = 2 * time.Second
	// maxKnownKeys bounds what is remembered. When there is more, all is read anew.
	maxKnownKeys = 10_000
	// unknownASecond is how many ids that are not known are asked for one by one in a second.
	unknownASecond = 50
	// goodEvery is how often the ids of all good keys are read, while more are asked for.
	goodEvery = time.Second
	// noteEvery is how often a key's use is noted.
	noteEvery = time.Minute
)

// KeysOf are the keys of a store.
func KeysOf(store *keys.Keys, clock func() time.Time) Keys {
	return &keyring{store: store, clock: clock, known: map[string]knownKey{}, asking: rate.NewLimiter(unknownASecond, unknownASecond)}
}

// Authenticate implements Keys. It takes as long for a key that does not exist as for one with another secret.
func (k *keyring) Authenticate(ctx context.Context, presented string) (Caller, error) {
	key, err := apikey.Parse(presented)
	if err != nil {
		return Caller{}, &RefusedKeyError{Why: "not of the form of a key, or mistyped"}
	}
	known, err := k.find(ctx, key.ID())
	if err != nil {
		return Caller{}, err
	}
	digest, kept := key.Digest(), known.Digest
	if known.none {
		kept = make([]byte, sha256.Size)
	}
	right := subtle.ConstantTimeCompare(digest[:], kept) == 1
	role, err := apikey.ParseRole(known.Role)
	if why := k.refusal(known, right); why != "" {
		return Caller{}, &RefusedKeyError{key.ID(), why}
	}
	if err != nil {
		return Caller{}, &RefusedKeyError{key.ID(), "its role is not known here"}
	}
	return Caller{
		KeyID: known.ID, Source: known.Source, Role: role, RequestsPerMinute: known.Limits.RequestsPerMinute, JobsPerOrder: known.Limits.JobsPerOrder,
		Daily: known.Limits.JobsPerDay > 0 || known.Limits.RegistrationsPerDay > 0,
	}, k.noteUse(ctx, known)
}

// refusal is why a key is not let in; "" where it is. right says that its secret is.
func (k *keyring) refusal(known knownKey, right bool) string {
	switch {
	case known.none:
		return "unknown"
	case !right:
		return "another secret"
	case !known.RevokedAt.IsZero():
		return "revoked"
	case known.Expired, !known.ExpiresAt.IsZero() && !k.clock().Before(known.ExpiresAt):
		return "expired"
	}
	return ""
}

func (k *keyring) find(ctx context.Context, id string) (knownKey, error) {
	now := k.clock()
	k.mu.Lock()
	known, ok := k.known[id]
	k.mu.Unlock()
	if ok && now.Sub(known.read) < knownFor {
		return known, nil
	}
	if !ok && !k.asking.AllowN(now, 1) {
		if good, err := k.isGood(ctx, id); err != nil {
			return knownKey{}, err
		} else if !good {
			return knownKey{}, ErrBusy
		}
	}
	found, err := k.store.Find(ctx, id)
	if errors.Is(err, pg.ErrNotFound) {
		return knownKey{none: true}, nil
	}
	if err != nil {
		return knownKey{}, err
	}
	known = knownKey{Key: found, used: known.used, read: now}
	k.remember(id, known)
	return known, nil
}

// isGood reports whether a good key had an id when all were listed, which is goodEvery ago at most.
func (k *keyring) isGood(ctx context.Context, id string) (bool, error) {
	k.listing.Lock()
	defer k.listing.Unlock()
	if now := k.clock(); k.good == nil || now.Sub(k.listed) >= goodEvery {
		// It is for everybody, whoever hangs up, and where it fails nobody asks again at once.
		k.listed, k.good = now, map[string]bool{}
		reading, cancel := context.WithTimeout(context.WithoutCancel(ctx), roundTime)
		defer cancel()
		ids, err := k.store.GoodIDs(reading)
		if err != nil {
			return false, err
		}
		for _, id := range ids {
			k.good[id] = true
		}
	}
	return k.good[id], nil
}

func (k *keyring) remember(id string, known knownKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.known) >= maxKnownKeys {
		clear(k.known)
	}
	k.known[id] = known
}

func (k *keyring) noteUse(ctx context.Context, known knownKey) error {
	now := k.clock()
	if now.Sub(known.used) < noteEvery {
		return nil
	}
	known.used = now
	k.remember(known.ID, known)
	err := k.store.NoteUse(ctx, known.ID)
	if errors.Is(err, pg.ErrUnavailable) {
		return nil // it takes no writes: whoever only reads needs none
	}
	return err
}

// Charge implements Keys.
func (k *keyring) Charge(ctx context.Context, c Caller, jobs int, register bool) (orders.Charge, error) {
	if !c.Daily {
		return nil, nil
	}
	charge := keys.Charge{Key: c.KeyID, Jobs: jobs}
	if register {
		charge.Registrations = jobs
	}
	return charge, k.store.Check(ctx, charge)
}
