package registrar

import (
	"slices"
	"strings"
	"testing"
)

// What a reply says beside available: how it is shown, and what of it bars a registration.
func TestWordsBesideAvailable(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ item, shown, bars string }{
		{``, "", ""},
		{`,"status":"free"`, "free", ""},
		{`,"status":" OK "`, " OK ", ""},
		{`,"status":"Not_Registered"`, "Not_Registered", ""},
		{`,"status":"free","reason":"none","premium":false,"reserved":"no","price":0,"premium_price":null`, "free, none", ""},
		{`,"status":"free","price":"0.00","currency":"EUR"`, "free", ""},
		{`,"price":"free"`, "", ""},

		{`,"status":"Premium"`, "Premium", "premium"},
		{`,"status":"free, premium"`, "free, premium", "premium"},
		{`,"status":["free","premium"]`, "free, premium", "premium"},
		{`,"status":"free","premium":true`, "premium", "premium"},
		{`,"status":"free","isPremium":"yes"`, "premium", "premium"},
		{`,"is_premium":1`, "premium", "premium"},
		{`,"premium":"tier 2"`, "premium", "premium"},
		{`,"status":"free","premium":true,"price":1200.00,"currency":"EUR"`, "premium, 1200.00 EUR", "premium"},
		{`,"status":"premium domain","premium":true,"premium_price":"1.200,00"`, "premium domain, price 1.200,00", "premium"},
		{`,"premiumPrice":9,"currency":"SEK"`, "premium, price 9 SEK", "premium"},
		{`,"status":"free","price":49.5,"currency":"EUR"`, "49.5 EUR", "price"},
		{`,"price":"€ 49"`, "€ 49", "price"},
		{`,"price":{"amount":49}`, "price", "price"},
		{`,"price":"on request"`, "price on request", "price"},
		{`,"status":"premium 1.200,00 EUR"`, "premium 1.200,00 EUR", "premium"},
		{`,"status":"reserved","price":7`, "reserved, price 7", "reserved price"},
		{`,"reserved":true`, "reserved", "reserved"},
		{`,"status":"in quarantine"`, "in quarantine", "quarantine"},
		{`,"status":"pendingDelete"`, "pendingDelete", "pending_delete"},
		{`,"status":"redemptionPeriod"`, "redemptionPeriod", "redemption"},
		{`,"status":"back-order; auction"`, "back-order; auction", "backorder auction"},
		{`,"reason":"Blocked by the registry"`, "Blocked by the registry", "blocked"},
		{`,"status":"restricted"`, "restricted", "restricted"},
		{`,"status":"somehow"`, "somehow", "somehow"},
		{`,"status":"not free"`, "not free", "not_free"},
	} {
		checks, err := decodeChecks([]byte(`{"results":[{"domain":"a.nl","available":true` + tt.item + `}]}`))
		if err != nil {
			t.Errorf("%s: %v", tt.item, err)
			continue
		}
		c := checks[0]
		var bars []string
		for word := range strings.FieldsSeq(tt.bars) {
			bars = append(bars, strings.ReplaceAll(word, "_", " "))
		}
		if c.Availability != Available || c.Status != tt.shown || !slices.Equal(c.Bars(), bars) {
			t.Errorf("%s: %+v bars %q, want %q and %q", tt.item, c, c.Bars(), tt.shown, bars)
		}
		if words, barred := Barred(c, nil); barred != (bars != nil) || barred && words != c.Status {
			t.Errorf("%s: barred %v, %q", tt.item, barred, words)
		}
		if words, barred := Barred(c, bars); barred || words != "" {
			t.Errorf("%s: barred by %q although all of it is allowed", tt.item, words)
		}
		if aside := c.Aside(); (aside != "") != (bars != nil) || aside != "" && aside != c.Status {
			t.Errorf("%s: aside %q", tt.item, aside)
		}
	}
}

func TestBarred(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status  string
		allowed []string
		barred  bool
	}{
		{"premium", nil, true},
		{"premium", []string{"price"}, true},
		{"premium", []string{" Premium "}, false},
		{"premium, 1200.00 EUR", []string{"premium"}, false},
		{"premium, reserved", []string{"premium"}, true},
		{"premium, reserved", []string{"reserved", "premium"}, false},
		{"1200.00 EUR", []string{"premium"}, true},
		{"1200.00 EUR", []string{"price"}, false},
		{"pendingDelete", []string{"pending-delete"}, false},
		{"quarantine", []string{"quarantined"}, false},
		{"somehow", []string{"premium", "somehow"}, false},
		{"somehow else", []string{"somehow"}, true},
		{"free", nil, false},
	} {
		words, barred := Barred(Check{Availability: Available, Status: tt.status}, tt.allowed)
		if barred != tt.barred || barred && words != tt.status {
			t.Errorf("%q, allowed %q: %q, %v", tt.status, tt.allowed, words, barred)
		}
	}
	for _, a := range []Availability{Taken, Unknown} {
		if words, barred := Barred(Check{Availability: a, Status: "premium"}, nil); barred {
			t.Errorf("a domain that is %s is barred by %q", a, words)
		}
	}
	var many []string
	for i := range 3 * maxBars {
		many = append(many, "w"+strings.Repeat("o", i)+"rd")
	}
	if _, barred := Barred(Check{Availability: Available, Status: strings.Join(many, ",")}, many); !barred {
		t.Error("a status of more words than are looked at bars nothing")
	}
}

// Of two items about one domain, the second may not take back what the first has said.
func TestTwoItemsAboutOneDomain(t *testing.T) {
	t.Parallel()
	free, premium := Check{Domain: "a.nl", Availability: Available, Status: "free"}, Check{Domain: "a.nl", Availability: Available, Status: "premium"}
	silent, taken := Check{Domain: "a.nl", Availability: Available}, Check{Domain: "a.nl", Availability: Taken}
	for _, tt := range []struct {
		one, other Check
		want       Availability
		status     string
		barred     bool
	}{
		{free, free, Available, "free", false},
		{premium, free, Available, "premium, free", true},
		{free, premium, Available, "free, premium", true},
		{premium, silent, Available, "premium", true},
		{silent, premium, Available, "premium", true},
		{premium, taken, Unknown, "", false},
		{taken, free, Unknown, "", false},
		{taken, taken, Taken, "", false},
	} {
		got := tt.one.And(tt.other)
		if _, barred := Barred(got, nil); got.Availability != tt.want || got.Status != tt.status || barred != tt.barred || (got.Error != "") != (tt.want == Unknown) {
			t.Errorf("%+v and %+v: %+v", tt.one, tt.other, got)
		}
	}
	if third := premium.And(taken).And(premium); third.Availability != Unknown {
		t.Errorf("a third item decides: %+v", third)
	}
}

func TestAsideOfTakenDomains(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]string{"active": "", "Registered": "", "": "", "quarantine": "quarantine", "active, premium": "active, premium"} {
		if got := (Check{Availability: Taken, Status: status}).Aside(); got != want {
			t.Errorf("%q: %q, want %q", status, got, want)
		}
	}
}
