package intake

import (
	"encoding/json"
	"fmt"

	"github.com/bulkreg/bulkreg/queue/intake/holder"
)

// maxKnown bounds the holders that are remembered while an order is read, 32 bytes each and some more. An order with more
// of them spools some details again, which changes nothing.
const maxKnown = 50_000

// knownHolders remembers whose details were spooled, by their digest.
type knownHolders struct {
	most int // how many at once
	seen map[[32]byte]struct{}
}

// name puts the holder's digest into a job. It reports whether the details were spooled before, or are none.
func (k *knownHolders) name(e *entry, details *holder.Details) (known bool) {
	if details == nil {
		return true
	}
	digest := details.Digest()
	e.Holder = digest[:]
	if _, known = k.seen[digest]; known {
		return true
	}
	if k.seen == nil || len(k.seen) == k.most {
		k.seen = map[[32]byte]struct{}{}
	}
	k.seen[digest] = struct{}{}
	return false
}

// withDetails encodes a job together with the details of its holder. Its errors hold none of them.
func withDetails(e entry, details *holder.Details) (line []byte, err error) {
	if e.Details, err = json.Marshal(details); err == nil {
		line, err = json.Marshal(e)
	}
	if err != nil {
		return nil, fmt.Errorf("encode holder: %w", err)
	}
	return line, nil
}
