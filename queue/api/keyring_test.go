package api

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/migrations"
	"github.com/bulkreg/bulkreg/queue/apikey"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/keys"
	"github.com/bulkreg/bulkreg/store/pgtest"
)

func newKey(t *testing.T) apikey.Key {
	t.Helper()
	key, err := apikey.New(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// However many unknown keys are presented, the database is asked so often and no more, what is known of good keys stays, and a good one
// that was never used is let in.
func TestUnknownKeysAskLittle(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	st, err := store.Open(ctx, pgtest.New(t, func(ctx context.Context, url string) error { _, err := migrations.Up(ctx, url); return err }), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Close)
	now := time.Now()
	ring := KeysOf(st.Keys, func() time.Time { return now })
	var good [3]apikey.Key
	for i := range good {
		good[i] = newKey(t)
		k := keys.NewKey{ID: good[i].ID(), Source: "shop", Role: "read", Digest: good[i].Digest(), By: "test"}
		if err := st.Keys.Create(ctx, k); err != nil {
			t.Fatal(err)
		}
	}
	passes := func(k apikey.Key) {
		t.Helper()
		if c, err := ring.Authenticate(ctx, k.Reveal()); err != nil || c.KeyID != k.ID() {
			t.Errorf("a good key: %+v, %v", c, err)
		}
	}
	passes(good[0])
	asked := st.Pool.Stat().AcquireCount()
	outcomes := map[string]int{}
	for range maxKnownKeys + 1000 {
		_, err := ring.Authenticate(ctx, newKey(t).Reveal())
		outcomes[fmt.Sprint(errors.Is(err, ErrNoKey), errors.Is(err, ErrBusy))]++
	}
	if n := st.Pool.Stat().AcquireCount() - asked; n > unknownASecond+1 || outcomes["true false"] != unknownASecond-1 || len(outcomes) != 2 {
		t.Errorf("the database was asked %d times, %v", n, outcomes)
	}
	asked = st.Pool.Stat().AcquireCount()
	passes(good[0])
	if n := st.Pool.Stat().AcquireCount() - asked; n != 0 {
		t.Errorf("a known key was asked for %d times", n)
	}
	passes(good[1])
	if _, err := st.Keys.Revoke(ctx, []string{good[2].ID()}, "test"); err != nil {
		t.Fatal(err)
	}
	if _, err := ring.Authenticate(ctx, good[2].Reveal()); !errors.Is(err, ErrNoKey) {
		t.Errorf("a revoked key: %v", err)
	}
}

// The table of those who are counted is bounded, and whoever is counted in it stays so.
func TestCountingIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := newLimits(func() time.Time { return now }, 3)
	l.take("a", 60)
	for i := range 100 {
		l.take(fmt.Sprint("b", i), 60)
	}
	if len(l.counted) != 3 || l.take("a", 60).left != 58 {
		t.Errorf("%d are counted", len(l.counted))
	}
	if s := l.take("c", 60); s.ok || s.wait <= 0 { // those for whom there is no room have one minute together
		t.Errorf("of one too many %+v", s)
	}
	now = now.Add(time.Minute)
	if s := l.take("d", 60); s.left != 59 || len(l.counted) != 1 {
		t.Errorf("afterwards %+v, %d are counted", s, len(l.counted))
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"192.0.2.1:80": "192.0.2.1", "[::ffff:192.0.2.1]:80": "192.0.2.1", "[2001:db8:1:2:3::4]:80": "2001:db8:1:2::/64", "[fe80::1%eth0]:80": "fe80::/64", "@": "@",
	} {
		if got := addressOf(remote); got != want {
			t.Errorf("%s is counted as %s, want %s", remote, got, want)
		}
	}
}
