package input

import (
	"hash/maphash"
	"strings"
)

// seen remembers the domains of a file by hash, 24 bytes each: 128 bits of the domain, so that two of a million domains
// never pass for one, and 64 of what its line says besides.
type seen struct {
	seeds   [2]maphash.Seed
	domains map[[2]uint64]details
}

// details is what a line says of a domain: the period in the low byte, with the highest bit for a line that allows words of a
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

// add remembers a record. For a domain that was there before it gives repeat, and in what the lines differ.
func (s *seen) add(record Record) (repeat bool, differs string) {
	key := [2]uint64{maphash.String(s.seeds[0], record.Domain.ASCII), maphash.String(s.seeds[1], record.Domain.ASCII)}
	now := s.detailsOf(record)
	before, repeat := s.domains[key]
	if !repeat {
		s.domains[key] = now
		return false, ""
	}
	return true, before.differs(now)
}

func (s *seen) detailsOf(record Record) details {
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
