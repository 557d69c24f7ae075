// Package holder checks the details of a domain's holder, DomainHolder in the words of the upstream, and brings them
// into one form, so that the same person written twice is one holder.
//
// Details are personal data. The package must never put a value into an error, a log or a printed form: an error names
// the field and says what to do.
package holder

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// Details are those of one holder. The names in JSON are the upstream's.
type Details struct {
	Company     string `json:"company,omitempty"`
	FirstName   string `json:"firstname,omitempty"`
	LastName    string `json:"lastname,omitempty"`
	Email       string `json:"email,omitempty"`
	Phone       string `json:"phone,omitempty"` // E.164
	Street      string `json:"street,omitempty"`
	HouseNumber string `json:"housenumber,omitempty"`
	PostalCode  string `json:"postalcode,omitempty"`
	City        string `json:"city,omitempty"`
	Country     string `json:"country,omitempty"` // ISO 3166-1 alpha-2
}

// Format prints none of the details, whatever the verb.
func (d Details) Format(f fmt.State, _ rune) { fmt.Fprint(f, "(holder details)") }

// Fields are the names of the fields, in the order of Details.Values.
func Fields() []string {
	return []string{"company", "firstname", "lastname", "email", "phone", "street", "housenumber", "postalcode", "city", "country"}
}

// Values gives the fields in the order of Fields, to be read or set.
func (d *Details) Values() []*string {
	return []*string{
		&d.Company, &d.FirstName, &d.LastName, &d.Email, &d.Phone,
		&d.Street, &d.HouseNumber, &d.PostalCode, &d.City, &d.Country,
	}
}

// digestVersion begins what is digested. Another way to fold needs another version: the digest is kept.
const digestVersion = "bulkreg holder 1"

// Digest is the same for details that differ only in what means nothing: upper and lower case, spaces, and the way in
// which an upstream writes a telephone number or a postal code.
func (d Details) Digest() [32]byte {
	text, fields := []byte(digestVersion), Fields()
	for i, value := range d.Values() {
		folded := fold(fields[i], *value)
		text = binary.BigEndian.AppendUint32(text, uint32(len(folded)))
		text = append(text, folded...)
	}
	return sha256.Sum256(text)
}

func fold(field, value string) string {
	value = strings.ToLower(tidy(value))
	switch field {
	case "phone":
		return strings.Map(func(r rune) rune {
			if strings.ContainsRune(" -./()", r) {
				return -1
			}
			return r
		}, tidyPhone(value))
	case "postalcode", "housenumber":
		return strings.ReplaceAll(value, " ", "")
	}
	return value
}

// tidy brings text into one Unicode form, without spaces around it and with single spaces in it.
func tidy(value string) string { return strings.Join(strings.Fields(norm.NFC.String(value)), " ") }
