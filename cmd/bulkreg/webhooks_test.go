package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/bulkreg/bulkreg/queue/api/view"
	"github.com/bulkreg/bulkreg/queue/redistest"
)

// shopReceiver is an order system that is told of events. It takes what is signed with one of its secrets.
type shopReceiver struct {
	*httptest.Server

	mu      sync.Mutex
	secrets []string
	status  int // that it answers with; 0: 200
	types   []string
	refused int // messages whose signature is not good
}

func newShopReceiver(t *testing.T) *shopReceiver {
	t.Helper()
	r := &shopReceiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(r.take))
	t.Cleanup(r.Close)
	return r
}

func (r *shopReceiver) take(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	good := slices.ContainsFunc(r.secrets, func(secret string) bool {
		wh, err := standardwebhooks.NewWebhook(secret)
		return err == nil && wh.Verify(body, req.Header) == nil
	})
	var message struct{ Type string }
	if err != nil || !good || json.Unmarshal(body, &message) != nil {
		r.refused++
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if r.status != 0 {
		w.WriteHeader(r.status)
		fmt.Fprint(w, "closed for today\x1b[2J")
		return
	}
	r.types = append(r.types, message.Type)
}

func (r *shopReceiver) set(status int, secrets ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status, r.secrets = status, secrets
}

func (r *shopReceiver) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.types)
}

// A source is told of an order by a worker that knows nothing but its settings, from the first command to the last.
func TestWebhooks(t *testing.T) {
	t.Parallel()
	d, _ := tokenDesk(t)
	_, registrar := startSandboxCommand(t)
	d.environ = append(append(d.environ, registrar...), "REDIS_URL="+redistest.New(t), "WHOIS_LINGER=10ms", "WEBHOOK_ALLOWED_NETWORKS=127.0.0.0/8")
	shop := newShopReceiver(t)
	if r := d.must(exitDone, "webhooks", "list"); r.stdout != "" || !strings.Contains(r.stderr, "There are no webhooks") {
		t.Errorf("without any: %s%s", r.stdout, r.stderr)
	}
	made := d.must(exitDone, "webhooks", "add", "cli", shop.URL+"/hooks?token=hush", "--by", "ann")
	secret := strings.TrimSpace(made.stdout)
	if !strings.HasPrefix(secret, "whsec_") || strings.Contains(made.stderr, secret) || !strings.Contains(made.stderr, "whpk_") {
		t.Fatalf("made: %q, %q", made.stdout, made.stderr)
	}
	shop.set(0, secret)
	list := parsed[[]view.Webhook](t, d.must(exitDone, "webhooks", "list", "-o", "json").stdout)
	if len(list) != 1 || list[0].Source != "cli" || list[0].CreatedBy != "ann" || list[0].URL != shop.URL+"/hooks?token=hush" {
		t.Fatalf("listed %+v", list)
	}
	id := list[0].ID
	d.says(exitUsage, []string{"webhooks", "add", "cli", shop.URL + "/hooks?token=hush", "--by", "ann"}, id, "webhooks rotate "+id)

	// Nobody sends it yet.
	if r := d.run("webhooks", "test", id, "--timeout", "200ms"); r.status != exitNotFinished || !strings.Contains(r.stderr, "no worker has sent it within 200ms") {
		t.Errorf("without a worker: %d, %s", r.status, r.stderr)
	}
	startCommand(t, d.environ, "worker")
	if r := d.must(exitDone, "webhooks", "test", id); !strings.Contains(r.stdout, "200") {
		t.Errorf("tested: %s%s", r.stdout, r.stderr)
	}
	d.must(exitDone, "enqueue", "whois", d.file("names.txt", "a.nl\nb.nl\n"), "--order", "one", "--wait")
	d.awaits(func() bool { return slices.Contains(shop.got(), "order.completed") })
	got := shop.got()
	if tests := len(slices.DeleteFunc(slices.Clone(got), func(s string) bool { return s != "webhook.test" })); tests != 2 || shop.refused > 0 ||
		slices.Index(got, "order.accepted") > slices.Index(got, "order.completed") {
		t.Errorf("got %v, refused %d", got, shop.refused)
	}

	// A new secret, and an end to the one before.
	shop.set(0, strings.TrimSpace(d.must(exitDone, "webhooks", "rotate", id).stdout))
	d.must(exitDone, "webhooks", "test", id)
	shop.set(0, secret)
	d.must(exitDone, "webhooks", "test", id)
	latest := parsed[secretJSON](t, d.must(exitDone, "webhooks", "rotate", id, "--overlap", "0", "-o", "json").stdout)
	if r := d.must(exitNotAll, "webhooks", "test", id); !strings.Contains(r.stderr, "401") {
		t.Errorf("the secret that ended: %s", r.stderr)
	}

	// Gone, and back.
	shop.set(http.StatusGone, latest.Secret)
	if r := d.must(exitNotAll, "webhooks", "test", id); strings.Contains(r.stdout, "\x1b") || !strings.Contains(r.stdout, "closed for today") {
		t.Errorf("refused: %q", r.stdout)
	}
	d.must(exitDone, "enqueue", "whois", d.file("names.txt", "c.nl\n"), "--order", "two", "--wait")
	d.awaits(func() bool { return d.run("status").status == exitUnconfirmed })
	status := parsed[statusJSON](t, d.run("status", "-o", "json").stdout)
	if len(status.Needs) != 1 || status.Needs[0].Reason != needWebhook || status.Needs[0].Source != "cli" || status.Needs[0].Since == nil ||
		!slices.Contains(status.Needs[0].Commands, "bulkreg webhooks recover "+id+" --since 2d") || strings.Contains(status.Needs[0].Words, "hush") {
		t.Errorf("status %+v", status.Needs)
	}
	if table := d.must(exitDone, "webhooks", "list").stdout; !strings.Contains(table, "disabled (gone)") || strings.Contains(table, "hush") || strings.Contains(table, "whsec_") {
		t.Errorf("listed: %s", table)
	}
	shop.set(0, latest.Secret)
	d.says(exitUsage, []string{"webhooks", "recover", id, "--since", "1h"}, "The plan: webhook "+id, "it is enabled", "--yes")
	d.must(exitDone, "webhooks", "recover", id, "--since", "1h", "--yes")
	d.awaits(func() bool {
		types := shop.got()
		return len(slices.DeleteFunc(types, func(s string) bool { return s != "order.completed" })) == 2
	})
	d.must(exitDone, "status")
	if r := d.must(exitDone, "webhooks", "recover", id, "--since", time.Now().Add(-time.Hour).Format(time.RFC3339)); !strings.Contains(r.stderr, "There is nothing") {
		t.Errorf("again: %s", r.stderr)
	}

	// What was sent, and what came of it.
	deliveries := parsed[[]view.Delivery](t, d.must(exitDone, "webhooks", "deliveries", id, "-o", "json").stdout)
	one := deliveries[slices.IndexFunc(deliveries, func(v view.Delivery) bool { return v.Attempts > 0 && v.Type == "order.accepted" })]
	d.must(exitDone, "webhooks", "replay", id, one.ID)
	d.awaits(func() bool {
		return strings.Count(d.must(exitDone, "webhooks", "deliveries", id, one.ID, "-o", "tsv").stdout, "\t200\t") >= 2
	})
	deliveries = parsed[[]view.Delivery](t, d.must(exitDone, "webhooks", "deliveries", id, "-o", "json").stdout)
	if r := d.must(exitDone, "webhooks", "deliveries", id, "--limit", "1"); !strings.Contains(r.stderr, "go on with --after "+deliveries[0].ID) {
		t.Errorf("a page: %s", r.stderr)
	}
	if page := parsed[[]view.Delivery](t, d.must(exitDone, "webhooks", "deliveries", id, "--after", deliveries[0].ID, "-o", "json").stdout); page[0].ID != deliveries[1].ID {
		t.Errorf("the next page begins with %s", page[0].ID)
	}
	if failed := parsed[[]view.Delivery](t, d.must(exitDone, "webhooks", "deliveries", id, "--state", "failed", "-o", "json").stdout); len(failed) == 0 || failed[0].State != "failed" {
		t.Errorf("failed: %+v", failed)
	}

	d.says(exitUsage, []string{"webhooks", "remove", id}, "add --yes")
	d.must(exitDone, "webhooks", "remove", id, "--yes")
	d.says(exitError, []string{"webhooks", "remove", id, "--yes"}, "there is no webhook "+id)
}

// awaits waits for something that no signal tells of.
func (d *desk) awaits(holds func() bool) {
	d.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for timeout := time.After(time.Minute); !holds(); {
		select {
		case <-timeout:
			d.t.Fatal("not so within a minute")
		case <-tick.C:
		}
	}
}

func TestWebhooksThatCannotBe(t *testing.T) {
	t.Parallel()
	d, _ := tokenDesk(t)
	d.environ = append(d.environ, "BULKREG_OPERATOR=ann")
	for args, want := range map[string]string{
		"add shop":                                  "give the name of the source, such as shop, and the URL",
		"add shop https://a.nl/ more":               "one too many",
		"add shop http://a.nl/":                     "must begin with https://",
		"add shop https://me:hush@a.nl/":            "must not hold a name and password",
		"add shop https://a.nl/ --types order.lost": "want some of",
		"add  https://a.nl/":                        "the source's name",
		"test":                                      "give the webhook's ID",
		"test abc":                                  "is no ID of a webhook",
		"replay aaaaaaaaaa":                         "give the delivery's ID",
		"replay aaaaaaaaaa 1 2":                     "one too many",
		"deliveries aaaaaaaaaa --limit 0":           "want 1 to 1000",
		"deliveries aaaaaaaaaa --state lost":        "want one of",
		"recover aaaaaaaaaa":                        "--since is missing",
		"recover aaaaaaaaaa --since yesterday":      "want how long ago",
	} {
		r := d.says(exitUsage, append([]string{"webhooks"}, strings.Split(args, " ")...), want)
		if strings.Contains(r.stderr, "hush") {
			t.Errorf("%s repeats the password: %s", args, r.stderr)
		}
	}
	for _, args := range []string{"test aaaaaaaaaa", "rotate aaaaaaaaaa", "deliveries aaaaaaaaaa", "replay aaaaaaaaaa 1", "recover aaaaaaaaaa --since 1d"} {
		d.says(exitError, append([]string{"webhooks"}, strings.Split(args, " ")...), "there is no webhook aaaaaaaaaa")
	}
	made := parsed[secretJSON](t, d.must(exitDone, "webhooks", "add", "shop", "https://a.nl/", "--by", "ann", "-o", "json").stdout)
	for args, want := range map[string]string{
		"rotate --overlap -1s": "0 to 30 days", "rotate --overlap 721h": "0 to 30 days", "recover --since 31d": "longer ago than 30 days",
		"recover --since 2999-01-01": "yet to come",
	} {
		words := strings.Split(args, " ")
		d.says(exitUsage, append([]string{"webhooks", words[0], made.ID}, words[1:]...), want)
	}
	d.says(exitError, []string{"webhooks", "deliveries", made.ID, "1"}, "has no delivery 1")
	d.says(exitUsage, []string{"webhooks", "deliveries", made.ID, "x"}, "is no ID of a delivery")
	if got := strings.Join(completed(t, d.environ, "webhooks", "test", made.ID[:4]), " "); got != made.ID {
		t.Errorf("offered %q", got)
	}
	d.environ = slices.DeleteFunc(d.environ, func(v string) bool { return strings.HasPrefix(v, "TOKEN_ENCRYPTION_KEY=") })
	d.says(exitUsage, []string{"webhooks", "add", "shop", "https://b.nl/", "--by", "ann"}, "TOKEN_ENCRYPTION_KEY")
}
