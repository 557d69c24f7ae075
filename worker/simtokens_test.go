package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"
	"github.com/bulkreg/bulkreg/store/seal"
	"github.com/bulkreg/bulkreg/worker/gettoken"
	"github.com/bulkreg/bulkreg/worker/upstream"
)

// simTokens is the upstream of tokens in a simulated world, and the keys that its workers have. Its account is the same in all
// worlds, which is why each begins without holds of it.
type simTokens struct {
	w      *world
	keys   seal.Keys
	issued map[string][]string // by subject
	access uint64
}

func newSimTokens(w *world) *simTokens {
	keys, err := seal.ParseKeys(seal.NewKey())
	if err != nil {
		w.t.Fatal(err)
	}
	w.db.exec(w.t, `DELETE FROM holds WHERE account = $1`, queue.TokenAccount)
	return &simTokens{w: w, keys: keys, issued: map[string][]string{}, access: 1}
}

// serve gives a worker what it needs for tokens. One job at a time: which of two calls goes on first would be for the machine to say.
func (s *simTokens) serve(o *Options) {
	o.Kinds = append(o.Kinds, queue.Token)
	o.Accounts = append(o.Accounts, Account{Name: queue.TokenAccount, Tokens: s})
	o.Token, o.Seal = Tuning{BatchSize: 1, Concurrency: 1}, s.keys
}

// submit takes in an order of tokens.
func (s *simTokens) submit() {
	w := s.w
	n := orders.NewOrder{
		Source: "sim", Reference: fmt.Sprintf("%s-%d", w.accounts[0], len(w.orders)), Kind: record.Token, Lane: record.Plain,
		Account: queue.TokenAccount, ChunkSize: 1,
	}
	people := 1 + w.rng.IntN(3)
	submitted, err := w.db.store.Orders.Submit(w.t.Context(), n, func(yield func(orders.NewJob, error) bool) {
		for i := range people {
			email := fmt.Sprintf("p%d-%s@example.nl", i, w.accounts[0])
			subject := queue.Subject(email)
			id := queue.JobID(n.Source, n.Reference, queue.Token, subject)
			consent := true
			sealed, err := s.keys.SealPerson(seal.Person{Email: email, Originator: "sim", PrivacyConsent: &consent},
				seal.Job{Source: n.Source, Reference: n.Reference, ID: id})
			if !yield(orders.NewJob{ID: id, Domain: subject, Person: sealed, PrivacyConsent: &consent}, err) {
				return
			}
		}
	})
	if err != nil {
		w.tolerate("submit tokens", err)
		return
	}
	w.log("order %d of %d tokens", len(w.orders), people)
	w.orders = append(w.orders, submitted.Order)
	w.stirred = true
}

// Renewed implements Tokens.
func (s *simTokens) Renewed(generation uint64) bool { return s.access != generation }

// GetToken implements Tokens. It stands still when the bytes have left: whoever dies then was issued a token that nobody knows.
func (s *simTokens) GetToken(_ context.Context, p gettoken.Person) (gettoken.Reply, error) {
	w, subject := s.w, queue.Subject(p.Email)
	reply := gettoken.Reply{Answer: gettoken.Answer{Sent: true, TokenGeneration: s.access, Started: w.db.now}}
	answered := func(status int, words string) {
		reply.Status, reply.StatusCode, reply.Documented, reply.Complete, reply.Message = status, status, true, true, words
	}
	issue := func() string {
		token := uuid.NewString()
		s.issued[subject] = append(s.issued[subject], token)
		return token
	}
	what := w.chance(40, 6, 6, 4, 3, 3, 2)
	w.log("GetToken for %s: %d", subject, what)
	w.held = w.held || what > 0 // a failure may be one too many in a row
	switch what {
	case 1: // issued, and the reply is lost
		issue()
		w.reached(simSent)
		return reply, errSimLine
	case 2:
		answered(500, "Internal Server Error")
		return reply, errors.New("simulated: 500")
	case 3: // nothing leaves
		reply.Sent = false
		return reply, errSimLine
	case 4:
		answered(429, "slow down")
		return reply, errors.New("simulated: 429")
	case 5:
		if w.rng.IntN(2) == 0 {
			s.access++ // somebody has replaced it
		}
		answered(401, "Unauthorized")
		return reply, errors.New("simulated: 401")
	case 6:
		answered(500, "Invalid email")
		reply.Invalid = true
		return reply, errors.New("simulated: invalid")
	}
	token := issue()
	w.reached(simSent)
	if w.db.now.Sub(reply.Started) > simTimeout {
		return reply, errSimTimeout
	}
	answered(200, "")
	reply.Issued.Token = upstream.Secret(token)
	return reply, nil
}

// erase lets a process erase what has expired.
func (p *process) erase() {
	p.start("erase", func(ctx context.Context) {
		_, err := newEraser(p.parts.options).erase(ctx)
		p.w.tolerate("erase", err)
	})
}

// judge compares what is kept with what was issued, when everything has come to rest. An issued job has a token of its own
// person's whose time is not over, and no other has one.
func (s *simTokens) judge() {
	s.w.procs[0].erase()
	for _, o := range s.w.orders {
		if o.Kind != record.Token {
			continue
		}
		live, err := s.w.db.store.Tokens.Live(s.w.t.Context(), o.ID)
		if err != nil {
			s.w.t.Fatal(err)
		}
		for _, j := range s.w.jobsOf(o) {
			kept, there := live[j.ID]
			if there != (j.Outcome == record.Issued) {
				s.w.fail("token of %s: outcome %q, and one is kept: %t", j.Domain, j.Outcome, there)
			}
			if !there {
				continue
			}
			token, err := s.keys.OpenToken(kept.Sealed, seal.Job{Source: o.Source, Reference: o.Reference, ID: j.ID})
			if err != nil || !slices.Contains(s.issued[j.Domain], token.Token) {
				s.w.fail("what is kept for %s was not issued for it: %v", j.Domain, err)
			}
		}
	}
}

// kept is how many of the world's jobs have a token.
func (s *simTokens) kept() (n int) {
	err := s.w.db.conn.QueryRow(s.w.t.Context(), `SELECT count(*) FROM tokens WHERE order_id = ANY($1)`, s.w.orderIDs()).Scan(&n)
	if err != nil {
		s.w.t.Fatal(err)
	}
	return n
}

// A token that is lost or swapped after all must show.
func TestHistoriesFindLostTokens(t *testing.T) {
	t.Parallel()
	db := newSimDatabase(t, simServer(t), "lost_tokens")
	for seed := range uint64(100) {
		w := newWorld(t, db, seed, asByDefault)
		if failed := w.run(); len(failed) > 0 {
			t.Fatal(failed)
		}
		if w.tokens == nil || w.tokens.kept() == 0 {
			continue
		}
		db.exec(t, `UPDATE tokens SET sealed = overlay(sealed PLACING '\x00ff' FROM 20)`)
		w.tokens.judge()
		swapped := len(w.failed)
		db.exec(t, `DELETE FROM tokens`)
		w.tokens.judge()
		if swapped == 0 || len(w.failed) == swapped {
			t.Errorf("after a swapped and a lost token it says %q", w.failed)
		}
		return
	}
	t.Error("no history ends with a token")
}
