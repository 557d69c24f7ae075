package bench

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/ownfile"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
)

// Report is everything that was measured in one run.
type Report struct {
	Machine Machine   `json:"machine"`
	Rows    []Figures `json:"rows"`
}

// aloneTarget is what an order of one domain should take at most, in seconds, whatever else is going on.
const aloneTarget = 1.0

// Print prints tables for people. What does not apply to a row, or was not measured, is left out.
func (r *Report) Print(w io.Writer) error {
	var orders, alone, doors []Figures
	for _, f := range r.Rows {
		switch {
		case f.Order != nil:
			orders = append(orders, f)
		case f.Door != nil:
			doors = append(doors, f)
		default:
			alone = append(alone, f)
		}
	}
	for _, block := range []struct {
		rows  []Figures
		print func(io.Writer, []Figures) error
	}{{orders, printOrders}, {alone, printAlone}, {doors, printDoors}} {
		if len(block.rows) > 0 {
			if err := block.print(w, block.rows); err != nil {
				return err
			}
		}
	}
	m := r.Machine
	t := term.NewTable(w)
	t.Add("MACHINE", "CORES", "GO", "POSTGRES", "FSYNC", "SYNCHRONOUS COMMIT", "SHARED BUFFERS", "REDIS")
	t.Add(m.System, strconv.Itoa(m.Cores), m.Go, m.Postgres, m.Fsync, m.SynchronousCommit, m.SharedBuffers, m.Redis)
	return t.End()
}

func printOrders(w io.Writer, rows []Figures) error {
	t := term.NewTable(w)
	t.Add("ROW", "DOMAINS", "SECONDS", "SUBMIT", "DOMAINS/S", "LIMIT/S", "SHARE", "CALLS", "PER CALL", "REDIS", "WORKER")
	for _, f := range rows {
		o, limit, share := f.Order, "", ""
		if f.Limit > 0 {
			limit, share = term.Thousands(int(f.Limit)), fmt.Sprintf("%.3f", o.Share)
		}
		calls := term.Thousands(o.Calls)
		if o.Checks > 0 {
			calls += " + " + term.Counted(o.Checks, "check", "checks")
		}
		t.Add(f.Row, term.Thousands(f.Domains), secondsCell(o.Seconds), secondsCell(o.SubmitSeconds), term.Thousands(int(o.Rate)), limit, share,
			calls, fmt.Sprintf("%.1f", o.PerCall), megabytesCell(f.RedisPeak), megabytesCell(f.WorkerPeak))
	}
	return endBlock(w, t)
}

func printAlone(w io.Writer, rows []Figures) error {
	t := term.NewTable(w)
	t.Add("ROW", "ORDERS", "AMONG", "MEDIAN", "WORST", "TARGET", "REDIS", "WORKER")
	for _, f := range rows {
		t.Add(f.Row, strconv.Itoa(len(f.Alone.Seconds)), term.Thousands(f.Domains), secondsCell(f.Alone.Median), secondsCell(f.Alone.Worst),
			"under "+secondsCell(aloneTarget), megabytesCell(f.RedisPeak), megabytesCell(f.WorkerPeak))
	}
	return endBlock(w, t)
}

func printDoors(w io.Writer, rows []Figures) error {
	t := term.NewTable(w)
	t.Add("ROW", "CLIENTS", "ORDERS", "ORDERS/S", "MEDIAN", "P99", "TOLD", "LARGE ORDER", "API", "STREAMS")
	for _, f := range rows {
		d := f.Door
		t.Add(f.Row, strconv.Itoa(d.Clients), term.Thousands(d.Orders), term.Thousands(int(d.Rate)), fmt.Sprintf("%.1f ms", d.MedianMS),
			fmt.Sprintf("%.1f ms", d.P99MS), term.Thousands(d.Told), fmt.Sprintf("%s in %s", term.Thousands(d.Large), secondsCell(d.LargeSec)),
			megabytesCell(f.WorkerPeak), fmt.Sprintf("%s in %s", term.Thousands(d.Streams), megabytesCell(d.Grown)))
	}
	return endBlock(w, t)
}

// endBlock ends a table that another one follows.
func endBlock(w io.Writer, t *term.Table) error {
	if err := t.End(); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return fmt.Errorf("print result: %w", err)
	}
	return nil
}

func secondsCell(s float64) string { return fmt.Sprintf("%.2f s", s) }

func megabytesCell(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// Write writes the figures to a file, for programs, over what stands there, but through no link of somebody else's, and none in its place.
func (r *Report) Write(path string) error {
	var b bytes.Buffer
	if err := term.PrintJSON(&b, r); err != nil {
		return err
	}
	resolved, err := ownfile.Resolve(path, ownfile.ToWrite)
	if err != nil {
		return fmt.Errorf("write figures: %w", err)
	}
	file, err := ownfile.Open(resolved, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return fmt.Errorf("write figures: %w", err)
	}
	_, err = file.Write(b.Bytes())
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write figures: %w", err)
	}
	return nil
}
