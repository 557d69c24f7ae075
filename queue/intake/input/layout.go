package input

import (
	"fmt"

	"github.com/bulkreg/bulkreg/queue"
)

// layout is how the lines of an order of one kind are read. Each kind has it in a file of its own.
type layout struct {
	columns columns
	strict  bool   // a column that means nothing makes the file unusable
	bare    bool   // a line, or an argument, may be the subject and nothing else
	holders bool   // each line needs a holder, its own or the order's
	many    string // what its jobs are about: domains, people
	example string // a line of NDJSON
	record  func(row, Options) (Record, *fault)
	differs func(before, now details) string // in what two lines about the same differ, "" for in nothing
}

// layoutOf is that of a kind.
func layoutOf(kind string) (layout, error) {
	switch queue.Kind(kind) {
	case queue.Whois:
		return whoisLayout(), nil
	case queue.Register:
		return registerLayout(), nil
	case queue.Token:
		return tokenLayout(), nil
	}
	return layout{}, fmt.Errorf("read input: kind %q cannot be read from a file: want whois, register or token", kind)
}
