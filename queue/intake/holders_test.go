package intake

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/store/holders"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake/holder"
	"github.com/bulkreg/bulkreg/queue/intake/input"
	"github.com/bulkreg/bulkreg/store/seal"
)

// holderLines is a file of domains, each with the holder that nameOf gives it.
func holderLines(n int, nameOf func(i int) string) string {
	var text strings.Builder
	text.WriteString("domain,company,email,phone,street,housenumber,postalcode,city,country\n")
	for i := range n {
		fmt.Fprintf(&text, "klant-%d.nl,%s,info@example.nl,+31201234567,Markt,1,1000 AA,Dorp,NL\n", i, nameOf(i))
	}
	return text.String()
}

func spooled(t *testing.T, text string) *Spool {
	t.Helper()
	r, err := input.NewReader(strings.NewReader(text), input.Options{Kind: "register", DefaultHolderID: "H0"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := ReadSpool(r, func(bad *input.RejectError) error { return bad })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestSpoolKeepsEachHoldersDetailsOnce(t *testing.T) {
	t.Parallel()
	s := spooled(t, holderLines(30, func(i int) string { return fmt.Sprint("Bakker ", i%3) }))
	order := Order{Source: "test", Reference: "r", Kind: queue.Register, Account: "default"}
	for range 2 { // it can be read again
		brought, jobs := map[holders.Digest]holder.Details{}, 0
		for j, err := range s.jobs(order, seal.Keys{}) {
			if err != nil {
				t.Fatal(err)
			}
			jobs++
			if j.HolderID != "" || j.Holder == (holders.Digest{}) {
				t.Errorf("%s has the id %q and the digest %x", j.Domain, j.HolderID, j.Holder)
			}
			if j.HolderDetails == nil {
				continue
			}
			if _, again := brought[j.Holder]; again {
				t.Errorf("%s brings details again", j.Domain)
			}
			var d holder.Details
			if err := json.Unmarshal(j.HolderDetails, &d); err != nil || d.Digest() != j.Holder {
				t.Errorf("%s brings somebody else's details, %v", j.Domain, err)
			}
			brought[j.Holder] = d
		}
		if jobs != 30 || len(brought) != 3 {
			t.Errorf("%d jobs and %d holders, want 30 and 3", jobs, len(brought))
		}
	}
}

// Details are part of what an order asks for, and those who bring them first are not.
func TestDigestOfAnOrderWithHolders(t *testing.T) {
	t.Parallel()
	lines := strings.SplitAfter(holderLines(4, func(i int) string { return fmt.Sprint("Bakker ", i%2) }), "\n")
	first := spooled(t, strings.Join(lines, "")).Digest()
	turned := lines[0] + lines[4] + lines[3] + lines[2] + lines[1]
	if spooled(t, turned).Digest() != first {
		t.Error("the same jobs in another order have another digest")
	}
	if spooled(t, strings.Replace(strings.Join(lines, ""), "Bakker 1", "BAKKER  1", 1)).Digest() != first {
		t.Error("the same holder written differently makes another order")
	}
	if spooled(t, strings.Replace(strings.Join(lines, ""), "Bakker 1", "Slager", 1)).Digest() == first {
		t.Error("another holder makes the same order")
	}
	byID := spooled(t, "domain\nklant-0.nl\nklant-1.nl\nklant-2.nl\nklant-3.nl\n")
	if byID.Digest() == first {
		t.Error("holders by id and by details make the same order")
	}
}

// The memory for holders is bounded. What it forgets is spooled again.
func TestKnownHoldersAreBounded(t *testing.T) {
	t.Parallel()
	known := knownHolders{most: 20}
	told := 0
	for i := range 50 {
		var e entry
		if !known.name(&e, &holder.Details{Company: fmt.Sprint(i)}) {
			told++
		}
		if len(known.seen) > known.most {
			t.Fatalf("%d holders are remembered", len(known.seen))
		}
	}
	if told != 50 {
		t.Errorf("%d holders were told apart, want 50", told)
	}
	var e entry
	if known.name(&e, &holder.Details{Company: "0"}) {
		t.Error("a forgotten holder passes for a known one")
	}
	if !known.name(&e, nil) {
		t.Error("no holder is one to be spooled")
	}
}
