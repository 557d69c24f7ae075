package intake

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTalliesAreBounded(t *testing.T) {
	t.Parallel()
	var many tally
	many.add("often")
	for i := range maxTallied + 500 {
		many.add(fmt.Sprint("name ", i))
	}
	many.add("often")
	got := many.result()
	if len(many.counts) != maxTallied || len(got.Listed) != maxListed || got.Listed[0] != (Count{"often", 2}) {
		t.Errorf("%d told apart, %v", len(many.counts), got.Listed)
	}
	if got.Others != maxTallied-maxListed || got.Rest != maxTallied+500-(maxListed-1) {
		t.Errorf("%d others with %d", got.Others, got.Rest)
	}
}

func TestBuyingAddsUp(t *testing.T) {
	t.Parallel()
	b := newBuying()
	for _, e := range []entry{
		{Domain: "a.nl", HolderID: "H1", PeriodMonths: 12, Nameservers: []string{"n1", "n2"}},
		{Domain: "b.co.uk", Holder: []byte("x"), PeriodMonths: 18}, {Domain: "c.co.uk", Holder: []byte("x"), PeriodMonths: 12},
	} {
		b.add(e)
	}
	want := Bought{
		TLDs: Counts{Listed: []Count{{"co.uk", 2}, {"nl", 1}}}, Periods: map[int]int{12: 2, 18: 1}, HolderIDs: Counts{Listed: []Count{{"H1", 1}}},
		NewHolders: 1, FromDetails: 2, Nameservers: Counts{Listed: []Count{{"n1", 1}, {"n2", 1}}}, Undelegated: 2,
	}
	if diff := cmp.Diff(want, b.result()); diff != "" {
		t.Error(diff)
	}
}
