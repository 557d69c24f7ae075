package intake

import (
	"cmp"
	"slices"
	"strings"
)

// Bounds of what a plan counts by name, and of what it lists.
const (
	maxTallied = 10_000
	maxListed  = 10
)

// Count is how many domains have something by that name.
type Count struct {
	Name    string `json:"name"`
	Domains int    `json:"domains"`
}

// Counts are the most frequent names, and the others added up.
type Counts struct {
	Listed []Count `json:"listed"` // at most maxListed, the most frequent first
	Others int     `json:"others"` // how many further names there are; a lower bound where there are very many
	Rest   int     `json:"rest"`   // domains that have these
}

// Bought says what the new domains of an order are, together.
type Bought struct {
	TLDs        Counts      `json:"tlds"` // by the suffix that they are registered under
	Periods     map[int]int `json:"periods"`
	HolderIDs   Counts      `json:"holder_ids"`
	NewHolders  int         `json:"new_holders"`  // different holders that come with their details
	FromDetails int         `json:"from_details"` // domains of these
	Nameservers Counts      `json:"nameservers"`
	Undelegated int         `json:"without_nameservers"` // domains without name servers
}

// tally counts names, of which it tells maxTallied apart.
type tally struct {
	counts map[string]int
	rest   int
}

func (t *tally) add(name string) {
	if t.counts == nil {
		t.counts = map[string]int{}
	}
	if _, known := t.counts[name]; !known && len(t.counts) == maxTallied {
		t.rest++
		return
	}
	t.counts[name]++
}

func (t *tally) result() Counts {
	all := make([]Count, 0, len(t.counts))
	for name, n := range t.counts {
		all = append(all, Count{name, n})
	}
	slices.SortFunc(all, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Domains, a.Domains), strings.Compare(a.Name, b.Name))
	})
	c := Counts{Listed: all[:min(len(all), maxListed)], Rest: t.rest}
	for _, other := range all[len(c.Listed):] {
		c.Others++
		c.Rest += other.Domains
	}
	return c
}

// buying adds up what is bought.
type buying struct {
	tlds, ids, hosts tally
	holders          map[string]bool // by digest
	bought           Bought
}

func newBuying() *buying {
	return &buying{holders: map[string]bool{}, bought: Bought{Periods: map[int]int{}}}
}

func (b *buying) add(e entry) {
	_, suffix, _ := strings.Cut(e.Domain, ".")
	b.tlds.add(suffix)
	b.bought.Periods[e.PeriodMonths]++
	if e.Holder == nil {
		b.ids.add(e.HolderID)
	} else {
		b.bought.FromDetails++
		if len(b.holders) < maxKnown {
			b.holders[string(e.Holder)] = true
		}
	}
	if len(e.Nameservers) == 0 {
		b.bought.Undelegated++
	}
	for _, host := range e.Nameservers {
		b.hosts.add(host)
	}
}

func (b *buying) result() Bought {
	b.bought.TLDs, b.bought.HolderIDs, b.bought.Nameservers = b.tlds.result(), b.ids.result(), b.hosts.result()
	b.bought.NewHolders = len(b.holders)
	return b.bought
}
