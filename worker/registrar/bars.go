package registrar

import (
	"slices"
	"strings"
	"unicode"
)

const (
	wordPremium  = "premium"
	wordReserved = "reserved"
	wordPrice    = "price"
)

// barWords are the words that are known to bar a registration, each with other spellings of it behind it. Every other word
// that is not known to say available bars as well, as itself: see Check.Bars.
func barWords() [][]string {
	return [][]string{
		{wordPremium},
		{wordReserved},
		{"quarantine", "quarantined"},
		{"redemption"},
		{"pending delete", "pendingdelete"},
		{"blocked"},
		{"restricted"},
		{"auction"},
		{"backorder", "back order"},
		{wordPrice},
	}
}

// saysFree reports that a phrase says no more than that the domain can be registered.
func saysFree(phrase string) bool {
	switch normalWord(phrase) {
	case "", "free", "available", "ok", "none", "not registered", "unregistered", "not found", "no match":
		return true
	}
	return false
}

// contradicts reports that one of the words beside available says otherwise.
func contradicts(available bool, said string) bool {
	for _, phrase := range phrases(said) {
		switch phrase {
		case "free", "available":
			if !available {
				return true
			}
		case "active", "registered", "taken", "unavailable", "not available", "in use":
			if available {
				return true
			}
		}
	}
	return false
}

// Bars lists the words that WHOIS said beside available and that bar the registration, unless its order allows each of them:
// those of a kept list (premium, reserved, quarantine, redemption, pending delete, blocked, restricted, auction, backorder,
// price), in lower case, and every other phrase that does not merely say that the domain is free. A word that nobody knows
// bars too, because a registration costs money and a refusal costs a second look. A price beside premium is part of that.
func (c Check) Bars() []string {
	if c.Availability != Available {
		return nil
	}
	return barsOf(c.Status)
}

// Aside is what WHOIS said beside available or taken, for people; "" where it was no more than a word for that.
func (c Check) Aside() string {
	if slices.ContainsFunc(phrases(c.Status), func(p string) bool { return !saysFree(p) && !contradicts(true, p) }) {
		return c.Status
	}
	return ""
}

// Barred decides whether a domain that WHOIS calls available must not be registered, because of a word beside it that is not
// among those which the order allows. It returns these words as WHOIS said them.
func Barred(check Check, allowed []string) (words string, barred bool) {
	bars := check.Bars()
	if len(bars) == 0 {
		return "", false
	}
	var may []string
	for _, word := range allowed {
		may = append(may, barsOf(word)...)
	}
	for _, bar := range bars {
		if !slices.Contains(may, bar) {
			return check.Status, true
		}
	}
	return "", false
}

// maxBars bounds what is looked at of one domain. A status of more words bars whatever is allowed.
const maxBars = 32

func barsOf(said string) []string {
	if said == "" {
		return nil
	}
	var bars []string
	add := func(bar string) {
		if !slices.Contains(bars, bar) {
			bars = append(bars, bar)
		}
	}
	for _, phrase := range phrases(said) {
		if saysFree(phrase) {
			continue
		}
		if len(bars) >= maxBars {
			add(said)
			break
		}
		known := knownBars(phrase)
		for _, bar := range known {
			add(bar)
		}
		if len(known) == 0 {
			add(phrase)
		}
	}
	if slices.Contains(bars, wordPremium) {
		bars = slices.DeleteFunc(bars, func(b string) bool { return b == wordPrice })
	}
	return bars
}

// knownBars are the kept words in a phrase.
func knownBars(phrase string) []string {
	var found []string
	padded := " " + phrase + " "
	for _, spellings := range barWords() {
		for _, s := range spellings {
			if strings.Contains(padded, " "+s+" ") {
				found = append(found, spellings[0])
				break
			}
		}
	}
	if namesPrice(phrase) && !slices.Contains(found, wordPrice) {
		found = append(found, wordPrice)
	}
	return found
}

// namesPrice reports that a phrase has an amount of money in it.
func namesPrice(phrase string) bool {
	if !strings.ContainsAny(phrase, "0123456789") {
		return slices.Contains(strings.Fields(phrase), wordPrice)
	}
	if strings.ContainsAny(phrase, "€$£") {
		return true
	}
	return slices.ContainsFunc(strings.FieldsFunc(phrase, func(r rune) bool { return !unicode.IsLetter(r) }), func(w string) bool {
		switch w {
		case "eur", "euro", "usd", "gbp", wordPrice:
			return true
		}
		return false
	})
}

// phrases splits what was said at commas and the like, but not within a number, and puts each part into its normal form.
func phrases(said string) []string {
	var found []string
	runes := []rune(said)
	from := 0
	for i, r := range runes {
		if !strings.ContainsRune(",;|/", r) || i > 0 && i+1 < len(runes) && unicode.IsDigit(runes[i-1]) && unicode.IsDigit(runes[i+1]) {
			continue
		}
		found = append(found, normalWord(string(runes[from:i])))
		from = i + 1
	}
	return append(found, normalWord(string(runes[from:])))
}

// normalWord is a word as words are compared: pendingDelete, pending_delete and Pending-Delete are "pending delete".
func normalWord(word string) string {
	var b strings.Builder
	lower := false
	for _, r := range word {
		switch {
		case r == '_', r == '-', unicode.IsSpace(r):
			r = ' '
		case unicode.IsUpper(r) && lower:
			b.WriteByte(' ')
		}
		lower = unicode.IsLower(r)
		b.WriteRune(unicode.ToLower(r))
	}
	return strings.Trim(strings.Join(strings.Fields(b.String()), " "), ".!: ")
}
