package input

import (
	"hash/maphash"
	"strconv"
	"strings"
)

// seen remembers the domains or people of a file by hash, 24 bytes each: 128 bits of the subject, so that two of a million
// never pass for one, and 64 of what its line says besides.
type seen struct {
	seeds   [2]maphash.Seed
	domains map[[2]uint64]details
}

// details is what a line says beside its subject. Of a person it is one hash. Of a domain it is the period in the low byte, with the highest bit for a line that allows words of a
// status; then 28 bits each of the holder, and of name servers together with these words.
type details uint64

const (
	periodBits = 8
	periodMask = 1<<7 - 1
	allowsBit  = 1 << 7
	hashBits   = 28
	hashMask   = 1<<hashBits - 1
)

func newSeen() *seen {
	return &seen{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, domains: map[[2]uint64]details{}}
}

// add remembers a record. Where its subject was there before it gives repeat, and what both lines say besides.
func (s *seen) add(record Record) (before, now details, repeat bool) {
	subject := record.subject()
	key := [2]uint64{maphash.String(s.seeds[0], subject), maphash.String(s.seeds[1], subject)}
	now = s.detailsOf(record)
	before, repeat = s.domains[key]
	if !repeat {
		s.domains[key] = now
	}
	return before, now, repeat
}

func (s *seen) detailsOf(record Record) details {
	if p := record.Person; p.PrivacyConsent != nil {
		said := []string{p.Originator, p.LanguageCode, p.FirstName, p.LastName, strconv.FormatBool(*p.PrivacyConsent)}
		return details(maphash.String(s.seeds[0], strings.Join(said, "\x00")))
	}
	holder := maphash.String(s.seeds[0], record.HolderID) & hashMask
	if record.Holder != nil {
		digest := record.Holder.Digest()
		holder = maphash.Bytes(s.seeds[1], digest[:]) & hashMask
	}
	var rest, allows uint64
	if len(record.Nameservers) > 0 {
		rest = maphash.String(s.seeds[0], strings.Join(record.Nameservers, " ")) & hashMask
	}
	if len(record.AllowStatus) > 0 {
		rest ^= maphash.String(s.seeds[1], strings.Join(record.AllowStatus, ",")) & hashMask
		allows = allowsBit
	}
	return details(rest<<(hashBits+periodBits) | holder<<periodBits | allows | uint64(record.PeriodMonths))
}

func (d details) differs(other details) string {
	var parts []string
	if (d^other)>>periodBits&hashMask != 0 {
		parts = append(parts, "another holder")
	}
	if (d^other)&periodMask != 0 {
		parts = append(parts, "another period")
	}
	switch rest := (d ^ other) >> (hashBits + periodBits); {
	case rest != 0 && (d|other)&allowsBit != 0:
		parts = append(parts, "another allow_status or other name servers")
	case rest != 0:
		parts = append(parts, "other name servers")
	}
	return strings.Join(parts, " and ")
}
