package main

import (
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/store/holds"
)

// A daily limit is told wherever a hold is, needs nobody, and is not lifted without a word.
func TestDailyLimit(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.register("one", "a.nl", "b.nl")
	if _, err := d.st.Holds.HoldForDay(t.Context(), "default", "2 registrations of this day (UTC) are sent"); err != nil {
		t.Fatal(err)
	}
	if got := d.holds(1)[0]; got.Reason != holds.DailyLimit || got.NextProbeAt == nil || got.Jobs != 2 {
		t.Errorf("hold %+v", got)
	}
	if table := d.must(exitDone, "holds").stdout; !strings.Contains(table, "ends ") || !strings.Contains(table, "registrations of this day") {
		t.Errorf("holds: %s", table)
	}
	d.reports("w", "", "register")
	text, _ := d.status(exitDone)
	if text = strings.Join(strings.Fields(text), " "); !strings.Contains(text, "account default has a daily_limit hold, which goes by itself") {
		t.Errorf("status: %s", text)
	}
	d.says(exitUsage, []string{"resume", "default"}, "lift the daily_limit hold of account default", "add --yes")
	d.holds(1)
	d.says(exitDone, []string{"resume", "default", "--yes"}, "Lifted the daily_limit hold of account default")
	d.holds(0)
}
