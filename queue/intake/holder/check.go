package holder

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"

	"github.com/bulkreg/bulkreg/queue/intake/domainname"
)

// Error is what is wrong with one field. It never holds the value.
type Error struct {
	Field string
	Text  string // what is wrong and what to do; it follows Field in a sentence
}

func (e *Error) Error() string { return e.Field + " " + e.Text }

// Check brings the details of a whole holder into their normal form, or says what is wrong with the first field that
// cannot be used. Every error is an *Error.
func Check(d Details) (Details, error) {
	d, err := CheckGiven(d)
	if err != nil {
		return Details{}, err
	}
	if missing := d.missing(); len(missing) > 0 {
		return Details{}, &Error{Field: missing[0], Text: lacking(missing)}
	}
	return d, nil
}

// CheckGiven is Check for a change: fields that are empty are not missing.
func CheckGiven(d Details) (Details, error) {
	fields := Fields()
	for i, value := range d.Values() {
		normal, why := normalise(fields[i], *value)
		if why != "" {
			return Details{}, &Error{Field: fields[i], Text: why}
		}
		*value = normal
	}
	return d, nil
}

// missing lists the fields that a whole holder needs and this one lacks. A company needs no person.
func (d *Details) missing() []string {
	values, optional := d.Values(), []string{"company"}
	if d.Company != "" {
		optional = append(optional, "firstname", "lastname")
	}
	var missing []string
	for i, field := range Fields() {
		if *values[i] == "" && !slices.Contains(optional, field) {
			missing = append(missing, field)
		}
	}
	return missing
}

func lacking(missing []string) string {
	text := "is missing"
	switch others := missing[1:]; len(others) {
	case 0:
	case 1:
		text += ", and so is " + others[0]
	default:
		text += ", and so are " + strings.Join(others, ", ")
	}
	if slices.Contains(missing, "firstname") || slices.Contains(missing, "lastname") {
		return text + ": a holder is a person with firstname and lastname, or a company"
	}
	return text + ": give all of the holder's details"
}

// longest is how many characters a field may have. The upstream documents no limits; these are beyond what any real
// holder needs.
func longest(field string) int {
	switch field {
	case "email":
		return maxEmail
	case "housenumber", "postalcode":
		return 16
	case "firstname", "lastname", "city":
		return 64
	}
	return 128
}

// normalise gives the normal form of one field, or says why there is none. An empty value is for others to judge.
func normalise(field, value string) (normal, why string) {
	if !utf8.ValidString(value) {
		return "", "is not UTF-8: save the file as UTF-8"
	}
	value = tidy(value)
	switch most := longest(field); {
	case value == "":
		return "", ""
	case utf8.RuneCountInString(value) > most:
		return "", fmt.Sprintf("is longer than %d characters: shorten it", most)
	case strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }):
		return "", "has an invisible or broken character in it: write it anew"
	}
	switch field {
	case "email":
		return normaliseEmail(value)
	case "phone":
		return normalisePhone(value)
	case "country":
		return normaliseCountry(value)
	}
	return value, ""
}

// Lengths in bytes of an e-mail address and of what stands before its @ (RFC 5321, section 4.5.3.1; RFC 3696, erratum
// 1690).
const (
	maxEmail     = 254
	maxLocalPart = 64
)

// atext is what may stand in an address without quotes, besides letters and digits (RFC 5322, section 3.2.3).
const atext = "!#$%&'*+-/=?^_`{|}~."

// normaliseEmail takes the plain form of addresses alone: no quotes, no comments, no names. Those are allowed by the RFCs,
// and are mistakes wherever they are met.
func normaliseEmail(value string) (normal, why string) {
	const bad = "is no e-mail address that can be used: give one such as name@example.nl"
	local, domain, found := strings.Cut(value, "@")
	if !found || local == "" || len(local) > maxLocalPart || strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") ||
		strings.Contains(local, "..") || strings.HasSuffix(domain, ".") {
		return "", bad
	}
	for _, r := range local {
		letter := r|0x20 >= 'a' && r|0x20 <= 'z'
		if !letter && (r < '0' || r > '9') && !strings.ContainsRune(atext, r) {
			return "", bad
		}
	}
	host, err := domainname.ParseHost(domain)
	if err != nil { // its text would quote the domain
		return "", bad
	}
	if normal = local + "@" + host.ASCII; len(normal) > maxEmail {
		return "", fmt.Sprintf("is longer than %d characters: give another address", maxEmail)
	}
	return normal, ""
}

// Digits of an E.164 number with its country code. The shortest in use have seven.
const (
	minDigits = 7
	maxDigits = 15
)

// normalisePhone takes the usual separators out. It completes nothing: a number without its country code, or with
// a (0) in the middle, can be meant in two ways.
func normalisePhone(value string) (normal, why string) {
	const bad = "is no number in international form (E.164): write + and the country code first, such as +31612345678"
	digits, plus := strings.CutPrefix(value, "+")
	digits = strings.NewReplacer(" ", "", "-", "", ".", "").Replace(digits)
	if !plus || len(digits) < minDigits || len(digits) > maxDigits || digits[0] == '0' || strings.Trim(digits, "0123456789") != "" {
		return "", bad
	}
	return "+" + digits, ""
}

// formerCountries are codes that language.Region takes for countries and ISO 3166-1 does not: withdrawn, reserved, or
// of a group of countries.
const formerCountries = "AC AN CP CQ CS DG EA EZ FQ IC NT PC SU TA UN XK YU"

func normaliseCountry(value string) (normal, why string) {
	const bad = "is no country code (ISO 3166-1 alpha-2): give two letters, such as NL, BE or DE"
	value = strings.ToUpper(value)
	region, err := language.ParseRegion(value)
	if err != nil || len(value) != 2 || !region.IsCountry() || region.Canonicalize().String() != value ||
		strings.Contains(formerCountries, value) {
		return "", bad
	}
	return value, ""
}
