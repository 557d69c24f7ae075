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

// Error is what is wrong with one field, and with further ones. It never holds a value.
type Error struct {
	Field string
	Text  string   // what is wrong and what to do; it follows Field in a sentence
	More  []*Error // what is wrong with other fields; these have none of their own
}

func (e *Error) Error() string {
	text := e.Field + " " + e.Text
	for _, other := range e.More {
		text += "; " + other.Error()
	}
	return text
}

// asError is all of them as one, nil for none.
func asError(broken []*Error) error {
	if len(broken) == 0 {
		return nil
	}
	first := *broken[0]
	first.More = broken[1:]
	return &first
}

// Check brings the details of a whole holder into their normal form, or says what is wrong with each field that cannot be
// used. Every error is an *Error.
func Check(d Details) (Details, error) {
	normal, broken := normaliseAll(d)
	if missing := normal.missing(broken); len(missing) > 0 {
		broken = append(broken, &Error{Field: missing[0], Text: lacking(missing)})
	}
	if err := asError(broken); err != nil {
		return Details{}, err
	}
	return normal, nil
}

// CheckGiven is Check for a change: fields that are empty are not missing.
func CheckGiven(d Details) (Details, error) {
	normal, broken := normaliseAll(d)
	if err := asError(broken); err != nil {
		return Details{}, err
	}
	return normal, nil
}

func normaliseAll(d Details) (Details, []*Error) {
	var broken []*Error
	fields := Fields()
	for i, value := range d.Values() {
		normal, why := normalise(fields[i], *value)
		if why != "" {
			broken = append(broken, &Error{Field: fields[i], Text: why})
		}
		*value = normal
	}
	return d, broken
}

// missing lists the fields that a whole holder needs and this one lacks. A company needs no person, and what is broken is not
// missing as well.
func (d *Details) missing(broken []*Error) []string {
	values, optional := d.Values(), []string{"company"}
	for _, e := range broken {
		if optional = append(optional, e.Field); e.Field == "company" {
			optional = append(optional, "firstname", "lastname")
		}
	}
	if d.Company != "" {
		optional = append(optional, "firstname", "lastname")
	}
	if !hasPostalCodes(d.Country) {
		optional = append(optional, "postalcode")
	}
	if !hasHouseNumbers(d.Country) {
		optional = append(optional, "housenumber")
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
	if field == "phone" { // first, because what separates digits may be invisible
		if value = tidyPhone(value); value == "" {
			return "", ""
		}
	}
	value = tidy(value)
	switch most := longest(field); {
	case value == "":
		return "", ""
	case CellFailed(value):
		return "", "is what a spreadsheet shows instead of a value that it lacks: write the value itself"
	case (field == "housenumber" || field == "postalcode") && CellRounded(value):
		return "", "is a number that a spreadsheet has rounded: format the column as text and write the value anew"
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
