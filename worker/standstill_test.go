package worker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
)

// The log has what keeps work from moving when it begins and when it ends, for each pipeline by itself.
func TestStandstillIsLoggedOnChange(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	s := newStandstill(zerolog.New(&text))
	want := func(want ...string) {
		t.Helper()
		var got []string
		for line := range strings.Lines(text.String()) {
			var entry struct {
				Level, Kind, Account, Queues, Message string
				Jobs                                  int
			}
			if err := json.Unmarshal([]byte(line), &entry); err != nil {
				t.Fatal(err)
			}
			what, _, _ := strings.Cut(entry.Message, ";")
			got = append(got, fmt.Sprintf("%s %s/%s %s", entry.Level, entry.Kind, entry.Account, strings.Join(strings.Fields(entry.Queues+" "+what), " ")))
		}
		text.Reset()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("logged (-want +got):\n%s", diff)
		}
	}
	s.NotePipeline(record.Whois, "a", nil, 0, 0)
	s.NotePipeline(record.Whois, "a", nil, 10, longSlotWait-1)
	s.NoteHolds("a", holds.Stopped{})
	want()
	s.NotePipeline(record.Whois, "a", []string{"q2", "q1"}, 0, 0)
	s.NotePipeline(record.Whois, "a", []string{"q1", "q2"}, 0, 0)
	s.NotePipeline(record.Register, "a", nil, 0, 0)
	want("warn whois/a q1, q2 somebody paused the queue in Redis")
	s.NotePipeline(record.Whois, "a", nil, 10, longSlotWait)
	s.NotePipeline(record.Whois, "a", nil, 11, 2*longSlotWait)
	want("info whois/a q1, q2 nobody pauses the queue in Redis any more",
		"warn whois/a jobs wait long for a call slot: the upstream is slow, or the calls in flight are few")
	s.NotePipeline(record.Whois, "a", nil, 11, 0)
	want("info whois/a jobs do not wait long for a call slot any more")
	for range 2 {
		s.NoteHolds("a", holds.Stopped{Register: true})
		s.NoteHolds("b", holds.Stopped{All: true})
	}
	want("warn /a the account's registrations stand still: they are on hold", "warn /b the account stands still: it is on hold")
	s.NoteHolds("a", holds.Stopped{})
	want("info /a no hold stops the account any more")
}
