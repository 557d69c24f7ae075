package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/bulkreg/bulkreg/queue/redisserver/child"
)

// reference is the peer that all others are compared with, and its row.
const (
	reference = "bulkreg"
	whoisRow  = "whois-0ms"
)

// benchReport is what is read of the figures that `bulkreg bench` writes.
type benchReport struct {
	Machine machine `json:"machine"`
	Rows    []struct {
		Row     string `json:"row"`
		Domains int    `json:"domains"`
		Order   *struct {
			Seconds float64 `json:"seconds"`
			Calls   int     `json:"calls"`
			PerCall float64 `json:"domains_per_call"`
		} `json:"order"`
	} `json:"rows"`
}

// bulkregRow has the program measure itself, from before the input of an order is read until the outcome of its last job is stored.
func bulkregRow(program string) func(context.Context, int) (measurement, error) {
	return func(ctx context.Context, jobs int) (m measurement, err error) {
		dir, err := os.MkdirTemp("", "bulkreg-peers-")
		if err != nil {
			return m, fmt.Errorf("make temporary directory: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		file := filepath.Join(dir, "figures.json")
		if err := runProgram(ctx, program, "bench", "--rows", whoisRow, "--domains", strconv.Itoa(jobs), "--json", file); err != nil {
			return m, err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return m, fmt.Errorf("read figures: %w", err)
		}
		return readFigures(text, jobs)
	}
}

// readFigures takes what was measured out of the figures, which bench does not write for an order of which a job did not succeed.
func readFigures(text []byte, jobs int) (measurement, error) {
	var said benchReport
	if err := json.Unmarshal(text, &said); err != nil {
		return measurement{}, fmt.Errorf("read figures: %w", err)
	}
	if len(said.Rows) != 1 || said.Rows[0].Row != whoisRow || said.Rows[0].Order == nil {
		return measurement{}, fmt.Errorf("read figures: not the one row %s: %s", whoisRow, text)
	}
	row := said.Rows[0]
	called := int(row.Order.PerCall*float64(row.Order.Calls) + 0.5)
	if row.Domains != jobs || called != jobs || row.Order.Seconds <= 0 {
		return measurement{}, fmt.Errorf("%d of %d jobs were called for, in %g s", called, jobs, row.Order.Seconds)
	}
	return measurement{took: time.Duration(row.Order.Seconds * float64(time.Second)), machine: said.Machine}, nil
}

// runProgram runs a program that ends its own servers when it is told to, and dies with this one.
func runProgram(ctx context.Context, program string, arguments ...string) error {
	var complaints bytes.Buffer
	cmd := exec.Command(program, arguments...) //nolint:gosec,noctx // it is the program to be measured; it is ended below, in good order
	cmd.Stdout, cmd.Stderr = io.Discard, &complaints
	running, err := child.Start(cmd)
	if err != nil {
		return err
	}
	select {
	case <-running.Done():
	case <-ctx.Done():
		const grace = time.Minute
		return errors.Join(ctx.Err(), running.End(syscall.SIGTERM, grace))
	}
	if err := running.Err(); err != nil {
		return fmt.Errorf("%s: %w; it said: %s", filepath.Base(program), err, strings.TrimSpace(complaints.String()))
	}
	return nil
}
