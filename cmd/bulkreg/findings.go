package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/ownfile"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/queue/api/export"
	"github.com/bulkreg/bulkreg/queue/intake"
)

// findings are what a dry run finds of each domain, in the order of the input, and then of all together. It holds no domain longer
// than it takes to write it.
type findings struct {
	stdout io.Writer
	json   bool // on stdout

	file   *os.File // for the domains; nil: stdout
	buffer *bufio.Writer
	write  func(whoisAnswer) error
	table  *table
	begun  bool // of the domains in JSON
}

// newFindings makes the file, if there is to be one.
func (r *registering) newFindings() (*findings, error) {
	p := &findings{stdout: r.results().stdout, json: r.out.json()}
	switch {
	case r.report == "":
		p.buffer = bufio.NewWriter(p.stdout)
		p.write = p.writeRow
		if p.json {
			p.write = p.writeElement
		}
		return p, nil
	case r.report == standardOutput:
		return nil, usagef("--out - is where the result goes: leave --out away for the domains on standard output")
	}
	file, err := makeFindings(r.report)
	if err != nil {
		return nil, err
	}
	p.file, p.buffer = file, bufio.NewWriter(file)
	switch strings.ToLower(filepath.Ext(r.report)) {
	case ".json", ".ndjson", ".jsonl":
		p.write = p.writeLine
	default:
		p.write = p.writeCSV
		_, err = p.buffer.WriteString("domain,whois,registrar_says,barred\n")
	}
	return p, err
}

// makeFindings makes a file where nothing stands, not even a link, and goes through no link of somebody else's. Only os.DevNull may
// be there.
func makeFindings(path string) (*os.File, error) {
	resolved, err := ownfile.Resolve(path, ownfile.ToWrite)
	if err != nil {
		return nil, usagef("--out: %w; nothing was stored", err)
	}
	file, err := ownfile.Open(resolved, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		info, found := os.Lstat(resolved)
		if found != nil || !isDevNull(info) {
			return nil, usagef("--out %s is there already: give another file, or remove that one first; nothing was stored", path)
		}
		file, err = ownfile.Open(resolved, os.O_WRONLY, 0)
	}
	if err != nil {
		return nil, usagef("--out: %w; nothing was stored", err)
	}
	return file, nil
}

// add writes what was said of some domains.
func (p *findings) add(answers []whoisAnswer) error {
	for _, answer := range answers {
		if err := p.write(answer); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	return nil
}

// said is what the registrar says of a domain, for people.
func (w whoisAnswer) said() string {
	words := w.Status
	if w.Error != "" {
		words = w.Error
	}
	if w.Barred {
		words += " (not sent: --allow-status would allow it)"
	}
	return words
}

func (p *findings) writeRow(answer whoisAnswer) error {
	if p.table == nil {
		p.table = newTable(p.buffer, "DOMAIN", "WHOIS", "REGISTRAR SAYS")
	}
	p.table.row(answer.Domain, string(answer.Availability), answer.said())
	return p.table.err
}

func (p *findings) writeLine(answer whoisAnswer) error {
	encoder := json.NewEncoder(p.buffer)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(answer)
}

func (p *findings) writeCSV(answer whoisAnswer) error {
	words := answer.Status
	if answer.Error != "" {
		words = answer.Error
	}
	_, err := fmt.Fprintf(p.buffer, "%s,%s,%s,%t\n", export.TextCell(answer.Domain), answer.Availability, export.TextCell(words), answer.Barred)
	return err
}

// writeElement writes an element of the list domains, and before the first one the beginning of the object that the list is in.
func (p *findings) writeElement(answer whoisAnswer) error {
	separator := ",\n"
	if !p.begun {
		separator, p.begun = "{\n  \"domains\": [\n", true
	}
	if _, err := p.buffer.WriteString(separator + "    "); err != nil {
		return err
	}
	text, err := compactJSON(answer)
	if err == nil {
		_, err = p.buffer.Write(text)
	}
	return err
}

func compactJSON(value any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return term.EscapeJSON(bytes.TrimSpace(text.Bytes())), err
}

// close completes the file, or what is on standard output so far.
func (p *findings) close() error {
	var err error
	if p.table != nil {
		err = p.table.end()
	}
	err = errors.Join(err, p.buffer.Flush())
	if p.file != nil {
		err = errors.Join(err, p.file.Close())
	}
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// rehearsed is a dry run as programs read it. The domains stand before it.
type rehearsed struct {
	rehearsal
	Bought  *intake.Bought `json:"bought,omitempty"`
	Holders []foundHolder  `json:"holders"`
}

// end prints what was found of all domains together.
func (p *findings) end(result rehearsal, bought intake.Bought, found []foundHolder) error {
	if !p.json {
		if p.table != nil {
			if _, err := fmt.Fprintln(p.stdout); err != nil {
				return fmt.Errorf("print result: %w", err)
			}
		}
		if err := printRehearsal(p.stdout, result); err != nil {
			return err
		}
		return printFoundHolders(p.stdout, found)
	}
	all := rehearsed{rehearsal: result, Holders: found}
	if result.New > 0 {
		all.Bought = &bought
	}
	if !p.begun {
		return term.PrintJSON(p.stdout, all)
	}
	var text bytes.Buffer
	if err := term.PrintJSON(&text, all); err != nil {
		return err
	}
	rest := strings.TrimPrefix(text.String(), "{\n")
	if _, err := io.WriteString(p.stdout, "\n  ],\n"+rest); err != nil {
		return fmt.Errorf("print result: %w", err)
	}
	return nil
}
