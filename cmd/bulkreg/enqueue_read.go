package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake"
	"github.com/bulkreg/bulkreg/queue/intake/input"
)

// read spools the order's jobs, says what it found, and refuses an order with invalid lines. The caller closes the spool.
func (e *enqueuing) read(ctx context.Context, in *orderInput) (_ *intake.Spool, err error) {
	bad, err := newRejects(e.stderr, e.rejects, in)
	if err != nil {
		return nil, err
	}
	bad.out, bad.json = e.stdout, e.out.json() && !e.skipInvalid
	spool, err := intake.ReadSpool(in.reader, func(line *input.RejectError) error {
		e.reading.end() // what is said of the line stands in its place
		return bad.add(line)
	})
	e.reading.end()
	if err := bad.end(); err != nil {
		return nil, errors.Join(err, closeSpool(spool))
	}
	if err != nil {
		return nil, in.refusal(ctx, err)
	}
	stats := in.reader.Stats()
	e.reportLines(in, stats)
	switch {
	case bad.count > 0 && !e.skipInvalid:
		err = e.refuseLines(in, stats)
	case spool.Len() == 0:
		err = usageError(&located{in.name, fmt.Errorf("%s: %w", in.name, intake.ErrEmpty)})
	}
	if err != nil {
		return nil, errors.Join(err, closeSpool(spool))
	}
	return spool, nil
}

func closeSpool(spool *intake.Spool) error {
	if spool == nil {
		return nil
	}
	return spool.Close()
}

// reportLines says what reading has left out or passed over.
func (e *enqueuing) reportLines(in *orderInput, stats input.Stats) {
	if n := stats.Duplicates; n > 0 {
		first := stats.FirstDuplicates[0]
		one, many := "repeated domain", "repeated domains"
		if e.order.Kind == queue.Token {
			one, many = "repeated person", "repeated people"
		}
		say(e.stderr, "%s counted once, the first being %s %d: %s\n",
			term.Counted(n, one, many), in.unit, first.Line, first.Domain)
	}
	for _, column := range stats.IgnoredColumns {
		say(e.stderr, "column %q means nothing here and is left out\n", column)
	}
	if e.skipInvalid && stats.Rejects > 0 {
		say(e.stderr, "%s left out\n", term.Counted(stats.Rejects, "invalid "+in.unit, "invalid "+in.unit+"s"))
	}
}

func (e *enqueuing) refuseLines(in *orderInput, stats input.Stats) error {
	all := stats.Records + stats.Duplicates + stats.Rejects
	hint := "fix them, or leave them out with --skip-invalid"
	if e.rejects == "" {
		hint += "; --rejects FILE writes them to a file"
	}
	return usageError(&located{in.name, fmt.Errorf("%s of %s cannot be used, and nothing was stored: %s",
		term.Thousands(stats.Rejects), term.Counted(all, in.unit, in.unit+"s"), hint)})
}
