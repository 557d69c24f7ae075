package queue_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/queue"
)

func consent(given bool) *bool { return &given }

// people is a producer's own chunk of tokens.
func people() queue.Chunk {
	return queue.Chunk{Order: "r-1", Source: "shop", Account: "default", Jobs: []queue.Job{
		{Email: "jan@example.nl", Originator: "shop", LanguageCode: "nl", FirstName: "Jan", LastName: "Jansen", PrivacyConsent: consent(true)},
		{Email: "an@example.be", Originator: "shop", PrivacyConsent: consent(false)},
	}}
}

// peopleDelivered is one as a dispatcher makes it.
func peopleDelivered() queue.Chunk {
	return queue.Chunk{Order: "r-1", Source: "shop", Account: "default", Jobs: []queue.Job{{ID: someID, Epoch: epoch(0)}, {ID: uuid.Max, Epoch: epoch(3)}}}
}

func TestPayloadOfTokensStaysAsItIs(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]queue.Chunk{
		`{"v":1,"order":"r-1","source":"shop","account":"default","jobs":[` +
			`{"email":"jan@example.nl","originator":"shop","languageCode":"nl","firstname":"Jan","lastname":"Jansen","privacyConsent":true},` +
			`{"email":"an@example.be","originator":"shop","privacyConsent":false}]}`: people(),
		`{"v":1,"order":"r-1","source":"shop","account":"default","jobs":[{"id":"0190a8f4-6f2c-7c3e-8b1a-2f5d3c4b5a69","epoch":0},` +
			`{"id":"ffffffff-ffff-ffff-ffff-ffffffffffff","epoch":3}]}`: peopleDelivered(),
	} {
		payload, err := c.Encode()
		if err != nil || string(payload) != want {
			t.Errorf("payload %s, %v; want %s", payload, err, want)
		}
		got, err := queue.DecodeChunk(payload)
		c.Version = 1
		if diff := cmp.Diff(c, got); diff != "" || err != nil {
			t.Errorf("decoded (-want +got):\n%s%v", diff, err)
		}
	}
}

// A job must not be taken for one of another kind, whichever queue somebody puts it into.
func TestChunksAreOfOneKind(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		chunk    queue.Chunk
		ofPeople bool
	}{
		"domains": {own(), false}, "delivered domains": {delivered(), false}, "people": {people(), true}, "delivered people": {peopleDelivered(), true},
	} {
		for _, kind := range queue.Kinds() {
			err := c.chunk.CheckKind(kind)
			if (err == nil) != (c.ofPeople == kind.OfPeople()) || err != nil && !errors.As(err, new(*queue.PayloadError)) {
				t.Errorf("%s as %s: %v", name, kind, err)
			}
		}
	}
	if err := own().CheckKind("transfer"); err == nil {
		t.Error("a kind that is none was accepted")
	}
}

func TestEncodeRefusesJobsOfPeople(t *testing.T) {
	t.Parallel()
	with := func(c queue.Chunk, change func(*queue.Chunk)) queue.Chunk {
		change(&c)
		return c
	}
	for reason, c := range map[string]queue.Chunk{
		"job 1: email is empty":                     with(people(), func(c *queue.Chunk) { c.Jobs[1].Email = "" }),
		"job 0: email is empty or longer":           with(people(), func(c *queue.Chunk) { c.Jobs[0].Email = strings.Repeat("x", 257) }),
		"job 0: a field is longer":                  with(people(), func(c *queue.Chunk) { c.Jobs[0].LastName = strings.Repeat("x", 257) }),
		"job 0: domain is empty":                    with(people(), func(c *queue.Chunk) { c.Jobs[1].Domain = "example.nl" }),
		"job 1: domain is empty":                    with(own(), func(c *queue.Chunk) { c.Jobs[1] = people().Jobs[0] }),
		"job 0: it has the fields of a person":      with(own(), func(c *queue.Chunk) { c.Jobs[0].LastName = "Jansen" }),
		"job 0: what has an epoch names a person":   with(peopleDelivered(), func(c *queue.Chunk) { c.Jobs[0].Email = "jan@example.nl" }),
		"job 1: either every job has an epoch":      with(peopleDelivered(), func(c *queue.Chunk) { c.Jobs[1].Epoch = nil; c.Jobs[1].Email = "jan@example.nl" }),
		"job 0: an epoch is not negative and comes": with(peopleDelivered(), func(c *queue.Chunk) { c.Jobs[0].ID = uuid.Nil }),
	} {
		_, err := c.Encode()
		if !errors.As(err, new(*queue.PayloadError)) || !strings.Contains(err.Error(), reason) {
			t.Errorf("%v, want %s", err, reason)
		}
		if err != nil && strings.Contains(err.Error(), "jan@") {
			t.Errorf("the reason names somebody: %v", err)
		}
	}
}

// Subjects are in ids and in the database. They must never change.
func TestSubjectsNeverChange(t *testing.T) {
	t.Parallel()
	for email, want := range map[string]string{
		"jan@example.nl": "person-evbhpobvk3xqp64m", "Jan@Example.NL": "person-evbhpobvk3xqp64m", "an@example.nl": "person-zlw2qke3nrx7xrqi",
	} {
		if got := queue.Subject(email); got != want {
			t.Errorf("%s is %s, want %s", email, got, want)
		}
	}
	if got := queue.JobID("shop", "r-1", queue.Token, queue.Subject("jan@example.nl")).String(); got != "c17f4cd1-b426-53d8-a1dc-c60fe1e1aa4f" {
		t.Errorf("the job is %s", got)
	}
}
