package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
)

// benchReport is everything that was measured in one run.
type benchReport struct {
	Machine benchMachine   `json:"machine"`
	Rows    []benchFigures `json:"rows"`
}

// benchAloneTarget is what an order of one domain should take at most, in seconds, whatever else is going on.
const benchAloneTarget = 1.0

// print prints tables for people. What does not apply to a row, or was not measured, is left out.
func (r *benchReport) print(w io.Writer) error {
	var orders, alone []benchFigures
	for _, f := range r.Rows {
		if f.Order != nil {
			orders = append(orders, f)
		} else {
			alone = append(alone, f)
		}
	}
	if len(orders) > 0 {
		if err := printOrders(w, orders); err != nil {
			return err
		}
	}
	if len(alone) > 0 {
		if err := printAlone(w, alone); err != nil {
			return err
		}
	}
	m := r.Machine
	t := newTable(w, "MACHINE", "CORES", "GO", "POSTGRES", "FSYNC", "SYNCHRONOUS COMMIT", "SHARED BUFFERS", "REDIS")
	t.row(m.System, strconv.Itoa(m.Cores), m.Go, m.Postgres, m.Fsync, m.SynchronousCommit, m.SharedBuffers, m.Redis)
	return t.end()
}

func printOrders(w io.Writer, rows []benchFigures) error {
	t := newTable(w, "ROW", "DOMAINS", "SECONDS", "SUBMIT", "DOMAINS/S", "LIMIT/S", "SHARE", "CALLS", "PER CALL", "REDIS", "WORKER")
	for _, f := range rows {
		o, limit, share := f.Order, "", ""
		if f.Limit > 0 {
			limit, share = thousands(int(f.Limit)), fmt.Sprintf("%.3f", o.Share)
		}
		calls := thousands(o.Calls)
		if o.Checks > 0 {
			calls += " + " + counted(o.Checks, "check", "checks")
		}
		t.row(f.Row, thousands(f.Domains), secondsCell(o.Seconds), secondsCell(o.SubmitSeconds), thousands(int(o.Rate)), limit, share,
			calls, fmt.Sprintf("%.1f", o.PerCall), megabytesCell(f.RedisPeak), megabytesCell(f.WorkerPeak))
	}
	return endBlock(w, t)
}

func printAlone(w io.Writer, rows []benchFigures) error {
	t := newTable(w, "ROW", "ORDERS", "AMONG", "MEDIAN", "WORST", "TARGET", "REDIS", "WORKER")
	for _, f := range rows {
		t.row(f.Row, strconv.Itoa(len(f.Alone.Seconds)), thousands(f.Domains), secondsCell(f.Alone.Median), secondsCell(f.Alone.Worst),
			"under "+secondsCell(benchAloneTarget), megabytesCell(f.RedisPeak), megabytesCell(f.WorkerPeak))
	}
	return endBlock(w, t)
}

// endBlock ends a table that another one follows.
func endBlock(w io.Writer, t *table) error {
	if err := t.end(); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return fmt.Errorf("print result: %w", err)
	}
	return nil
}

func secondsCell(s float64) string { return fmt.Sprintf("%.2f s", s) }

func megabytesCell(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// write writes the figures to a file, for programs.
func (r *benchReport) write(path string) error {
	var b bytes.Buffer
	if err := printJSON(&b, r); err != nil {
		return err
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil { //nolint:gosec // there is no secret in it
		return fmt.Errorf("write figures: %w", err)
	}
	return nil
}
