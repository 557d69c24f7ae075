package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/holds"
)

// A day that is used up is shown with when it ends, needs nobody, and is given anew only to somebody who says so.
func TestUsedUpDayIsShownAndResumed(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.must(exitDone, "enqueue", "register", d.file("two.txt", "one.nl\ntwo.nl\n"), "--order", "waits", "--holder", "H-1", "--yes")
	d.exec(`INSERT INTO registration_days (account, day, reserved) VALUES ('default', '2026-11-25', 5);
		INSERT INTO holds (account, reason, scope, words, ends_at) VALUES ('default', 'daily_limit', 'register', 'the daily limit is reached', '2026-11-26 00:00Z')`)
	table := d.must(exitDone, "holds").stdout
	for _, want := range []string{"daily_limit", "registrations", "ends at 2026-11-26 00:00:00Z", "the daily limit is reached", "waits", " 2 "} {
		if !strings.Contains(table, want) {
			t.Errorf("the table lacks %q:\n%s", want, table)
		}
	}
	var listed []holdJSON
	if err := json.Unmarshal([]byte(d.must(exitDone, "holds", "-o", "json").stdout), &listed); err != nil {
		t.Fatal(err)
	}
	midnight := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)
	if len(listed) != 1 || listed[0].Reason != holds.DailyLimit || listed[0].NextProbeAt != nil || listed[0].EndsAt == nil || !listed[0].EndsAt.Equal(midnight) {
		t.Errorf("JSON: %+v", listed)
	}
	d.exec(`INSERT INTO workers (name, seen_at, stopping, lots) VALUES ('vm/1', now(), false, '[{"kind": "register", "account": "default", "slots": 2}]')`)
	r := d.must(exitDone, "status")
	if text := strings.Join(strings.Fields(r.stdout), " "); !strings.Contains(text, "Nobody is needed.") ||
		!strings.Contains(text, "account default has a daily_limit hold, which goes at 2026-11-26 00:00:00Z: the daily limit is reached") {
		t.Errorf("status: %s", r.stdout)
	}
	d.says(exitNotFinished, []string{"watch", "waits", "--fail-on-hold", "--timeout", "100ms"}, "has not ended within 100ms", "it goes on by itself at <time>")
	d.says(exitUsage, []string{"resume", "default"}, "lift the daily_limit hold of account default", "the daily limit is reached; as many may be paid for once more until <time>", "add --yes")
	d.says(exitDone, []string{"resume", "default", "--yes"}, "Lifted the daily_limit hold of account default, since <time>: 2 jobs go on.\n")
	if n := d.number(`SELECT resumed FROM registration_days WHERE day = '2026-11-25'`); n != 5 {
		t.Errorf("the day begins anew at %d, want 5", n)
	}
}
