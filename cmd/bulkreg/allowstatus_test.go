package main

import (
	"encoding/csv"
	"errors"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/queue/api/view"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/worker/sandbox"
)

func playRegistrar(t *testing.T, d *desk) *sandboxServer {
	t.Helper()
	upstream, err := startSandbox(t.Context(), "127.0.0.1:0", sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := upstream.close(); err != nil {
			t.Error(err)
		}
	})
	d.environ = append(append(d.environ, upstream.environ()...), "WHOIS_BATCH_SIZE=2")
	return upstream
}

func TestDryRunTellsWhatBars(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	playRegistrar(t, d)
	file := d.file("list.csv", "domain,allow_status\na.nl,\npremium-1.nl,\npremium-2.nl,\npremium-3.nl,Premium\nreserved-1.nl,\npriced-1.nl,premium\ntaken-1.nl,premium\n")
	args := []string{"enqueue", "register", file, "--holder", "H1", "--order", "one", "--dry-run"}
	r := d.must(exitDone, args...)
	want := `DOMAIN         WHOIS      REGISTRAR SAYS
a.nl           available  free
premium-1.nl   available  premium, 1200.00 EUR (not sent: --allow-status would allow it)
premium-2.nl   available  premium, 1200.00 EUR (not sent: --allow-status would allow it)
premium-3.nl   available  premium, 1200.00 EUR
reserved-1.nl  available  reserved (not sent: --allow-status would allow it)
priced-1.nl    available  49.00 EUR (not sent: --allow-status would allow it)
taken-1.nl     taken      active

New        7
Available  6
Taken      1
Unknown    0
Barred     2  premium: not sent unless --allow-status premium
Barred     1  price: not sent unless --allow-status price
Barred     1  reserved: not sent unless --allow-status reserved
Holder  H1  not found: their domains cannot be registered
`
	if diff := cmp.Diff(want, r.stdout); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(r.stderr, "allowing     3  lines that allow a status such as premium") {
		t.Errorf("the plan is silent: %s", r.stderr)
	}
	r = d.must(exitDone, append(args, "--allow-status", "PREMIUM,price", "--allow-status", "other", "-o", "json")...)
	if diff := cmp.Diff(rehearsal{
		Reference: "one", Account: "default", Total: 7, New: 7, Available: 6, Taken: 1, Barred: 2, BarredBy: map[string]int{"price": 1, "reserved": 1},
	}, parsed[rehearsal](t, r.stdout)); diff != "" {
		t.Error(diff) // priced-1.nl allows premium alone, whatever the others allow
	}
	if r := d.must(exitUsage, append(args, "--allow-status", " ")...); !strings.Contains(r.stderr, "--allow-status has a word that is empty") {
		t.Errorf("got %s", r.stderr)
	}
}

func TestAllowStatusIsShownAndPartOfTheOrder(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	file := d.file("list", "a.nl\nb.nl\n")
	args := []string{"enqueue", "register", file, "--holder", "H1", "--order", "one", "--yes"}
	d.must(exitDone, append(args, "--allow-status", "reserved,Premium")...)
	if r := d.must(exitDone, append(args, "--allow-status", "premium", "--allow-status", "reserved")...); !strings.Contains(r.stderr, "nothing was changed") {
		t.Errorf("the same words in another order: %s", r.stderr)
	}
	for _, other := range [][]string{args, append(args, "--allow-status", "premium")} {
		if r := d.must(exitUsage, other...); !strings.Contains(r.stderr, "one") {
			t.Errorf("with other words: %s", r.stderr)
		}
	}
	d.said("one", "premium, 1200.00 EUR")

	list := parsed[[]view.Job](t, d.must(exitDone, "jobs", "one", "-o", "json").stdout)
	for _, j := range list {
		if j.WhoisStatus != "premium, 1200.00 EUR" || !cmp.Equal(j.AllowStatus, []string{"premium", "reserved"}) {
			t.Errorf("got %+v", j)
		}
	}
	r := d.must(exitDone, "job", list[0].ID.String())
	for _, want := range []string{"Allows        premium, reserved\n", "WHOIS said    premium, 1200.00 EUR\n"} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("%q is not in\n%s", want, r.stdout)
		}
	}
	rows, err := csv.NewReader(strings.NewReader(d.must(exitDone, "export", "one").stdout)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]string{{"whois_status", "allow_status"}, {"premium, 1200.00 EUR", "premium,reserved"}} {
		if got := rows[i][len(rows[i])-2:]; !cmp.Equal(got, want) {
			t.Errorf("row %d ends with %q, want %q", i, got, want)
		}
	}
}

func TestJobsOfWhoisOrdersTellWhatWasSaid(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.must(exitDone, "enqueue", "whois", "a.nl", "--order", "one")
	d.work(record.Whois, fates{"a.nl": succeeds(record.Available)})
	d.said("one", "reserved")
	want := `JOB                                   DOMAIN  STATE      OUTCOME    ATTEMPTS  ERROR  WHOIS ALSO SAID
<uuid>  a.nl    succeeded  available  1         -      reserved
`
	if diff := cmp.Diff(want, stable(d.must(exitDone, "jobs", "one").stdout)); diff != "" {
		t.Error(diff)
	}
}

// said writes down what WHOIS said of every domain of an order.
func (d *desk) said(reference, words string) {
	d.t.Helper()
	conn, err := pgx.Connect(d.t.Context(), strings.TrimPrefix(d.environ[0], "DATABASE_URL="))
	if err != nil {
		d.t.Fatal(err)
	}
	_, err = conn.Exec(d.t.Context(), `UPDATE jobs SET whois_status = $2 WHERE order_id = $1`, d.order(reference).ID, words)
	if err := errors.Join(err, conn.Close(d.t.Context())); err != nil {
		d.t.Fatal(err)
	}
}

func TestWhoisTellsWhatBars(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	upstream := playRegistrar(t, d)
	if _, err := upstream.Inject(sandbox.Fault{Op: sandbox.OpWhois, Kind: sandbox.KindGzip, Count: sandbox.Always}); err != nil {
		t.Fatal(err)
	}
	r := d.must(exitDone, "whois", "premium-1.nl", "priced-1.nl")
	want := `DOMAIN        WHOIS      REGISTRAR SAYS
premium-1.nl  available  premium, 1200.00 EUR
priced-1.nl   available  49.00 EUR
`
	if diff := cmp.Diff(want, r.stdout); diff != "" {
		t.Error(diff)
	}
	r = d.must(exitDone, "whois", "premium-1.nl", "-o", "json")
	if !strings.Contains(r.stdout, `"bars": [`) {
		t.Errorf("got %s", r.stdout)
	}
}
