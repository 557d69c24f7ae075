package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/bulkreg/bulkreg/queue/intake"
	"github.com/bulkreg/bulkreg/queue/intake/domainname"
	"github.com/bulkreg/bulkreg/queue/intake/input"
)

// orderInput is where an order's lines come from.
type orderInput struct {
	reader *input.Reader
	name   string   // for messages
	unit   string   // what it is counted in
	file   *os.File // nil: standard input or arguments
	stop   func()
}

const standardInput = "-"

// openInput opens a file or, for "-", standard input.
func (a *app) openInput(ctx context.Context, path string, opts input.Options) (*orderInput, error) {
	in := &orderInput{name: path, unit: "line"}
	from := a.stdin
	if path == standardInput {
		in.name = "standard input"
		if isTerminal(a.stdin) {
			fmt.Fprintln(a.stderr, "Reading from the terminal; end with Ctrl-D.")
		}
	} else {
		file, err := openInTime(ctx, path)
		switch {
		case ctx.Err() != nil:
			return nil, nothingStored()
		case err != nil:
			return nil, usageError(err) // it names the file and what was tried
		}
		in.file, from = file, file
	}
	from, in.stop = interruptible(ctx, from)
	var err error
	if in.reader, err = input.NewReader(from, opts); err != nil {
		return nil, errors.Join(in.refusal(ctx, err), in.close())
	}
	return in, nil
}

// openInTime opens a file until ctx ends. A pipe is opened only when somebody writes into it, and that cannot be broken off: somebody
// has to come, so we do.
func openInTime(ctx context.Context, path string) (*os.File, error) {
	type opened struct {
		file *os.File
		err  error
	}
	done := make(chan opened, 1)
	go func() {
		file, err := os.Open(path)
		done <- opened{file, err}
	}()
	select {
	case o := <-done:
		return o.file, o.err
	case <-ctx.Done():
	}
	if info, err := os.Stat(path); err != nil || info.Mode()&fs.ModeNamedPipe == 0 {
		return nil, ctx.Err() // what is opened in the end, the process' end closes
	}
	writer, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, ctx.Err() // it may not be written into: as above
	}
	o := <-done
	err = writer.Close()
	if o.err == nil {
		err = errors.Join(err, o.file.Close())
	}
	return nil, errors.Join(ctx.Err(), err)
}

// inputOfArguments reads each argument as a line.
func inputOfArguments(domains []string, opts input.Options) (*orderInput, error) {
	reader, err := input.FromArgs(domains, opts)
	if err != nil {
		return nil, usageError(err)
	}
	return &orderInput{reader: reader, name: "arguments", unit: "argument", stop: func() {}}, nil
}

func (in *orderInput) close() error {
	in.stop()
	if in.file == nil {
		return nil
	}
	if err := in.file.Close(); err != nil {
		return fmt.Errorf("close input: %w", err)
	}
	return nil
}

// isFile says whether the file at path is the one that is read.
func (in *orderInput) isFile(path string) bool {
	if in.file == nil {
		return false
	}
	other, err := os.Stat(path)
	if err != nil {
		return false // it does not exist yet; other reasons are found when it is opened
	}
	own, err := in.file.Stat()
	return err == nil && os.SameFile(own, other)
}

// refusal is how reading ends that could not go on. Nothing is stored by then.
func (in *orderInput) refusal(ctx context.Context, err error) error {
	var (
		failed *fs.PathError
		file   *input.FileError
		option *input.OptionError
	)
	var spool *intake.SpoolError
	switch {
	case ctx.Err() != nil:
		return nothingStored()
	case errors.As(err, &spool):
		return fmt.Errorf("the order cannot be kept in %s while it is read: %w; nothing was stored: give a folder that can be written to "+
			"and has room in TMPDIR", spool.Folder, spool)
	case errors.As(err, &failed):
		return err
	case errors.As(err, &option) && option.Option == input.OptionIgnoreColumns:
		return usagef("--ignore-columns %s", option.Reason)
	case errors.As(err, &option) && option.Option == input.OptionAllowStatus:
		return usagef("--allow-status %s", option.Reason)
	case errors.As(err, &file):
		return usageError(&located{in.name, fmt.Errorf("%s: %w; nothing was stored", in.name, file)})
	}
	return usageError(err)
}

// sortArguments tells the file among the arguments of a WHOIS order from the domains, and refuses what can be read in
// two ways.
func sortArguments(args []string) (path string, domains []string, err error) {
	return sortArgumentsUnder(domainname.Suffixes{}, args)
}

func sortArgumentsUnder(suffixes domainname.Suffixes, args []string) (path string, domains []string, err error) {
	var paths []string
	for _, arg := range args {
		_, noDomain := suffixes.Parse(arg)
		switch file := isInputFile(arg); {
		case file && noDomain == nil:
			return "", nil, usagef("%q is a domain and also a file in this folder: write ./%s for the file, "+
				"or give the domain on standard input, with - as the file", arg, arg)
		case file:
			paths = append(paths, arg)
		default:
			domains = append(domains, arg)
		}
	}
	switch {
	case len(args) == 0:
		return "", nil, usagef("nothing to check: give a file with one domain a line, - for standard input, or domains")
	case len(paths) > 1:
		return "", nil, usagef("%q and %q are two files: an order is read from one; give - and send both to standard input", paths[0], paths[1])
	case len(paths) == 1 && len(domains) > 0:
		return "", nil, usagef("%q is a file and %q is not: give one file, or domains", paths[0], domains[0])
	case len(paths) == 1:
		return paths[0], nil, nil
	}
	return "", domains, aDomainOrFile(suffixes, domains)
}

// aDomainOrFile explains arguments that are neither, before they are read as domains.
func aDomainOrFile(suffixes domainname.Suffixes, arguments []string) error {
	for _, arg := range arguments {
		var bad *domainname.Error
		_, err := suffixes.Parse(arg)
		if !errors.As(err, &bad) {
			continue
		}
		info, found := os.Stat(arg)
		switch {
		case found == nil && info.IsDir():
			return usagef("%s is a folder: give a file", arg)
		case looksLikePath(arg):
			return usagef("there is no file %q", arg)
		case len(arguments) == 1:
			return usagef("%q is no file, and as a domain it %s", bad.Raw, bad.Text)
		}
	}
	return nil
}

// looksLikePath says whether somebody meant a file who wrote this, and not a web address or a domain.
func looksLikePath(arg string) bool {
	return strings.HasPrefix(arg, ".") || strings.Contains(arg, "/") && !strings.Contains(arg, "://")
}

// isInputFile says whether an argument names something to read from. A folder is none: whoever hosts example.nl may well
// have a folder of that name.
func isInputFile(arg string) bool {
	if arg == standardInput {
		return true
	}
	info, err := os.Stat(arg)
	return err == nil && !info.IsDir()
}

// onlyFile is the argument of an order that is read from a file alone.
func onlyFile(args []string) (string, error) {
	switch {
	case len(args) == 0:
		return "", usagef("nothing to read: give a file, CSV with a header or NDJSON, or - for standard input")
	case len(args) > 1:
		const shown = 3
		return "", usagef("%d arguments where one file is wanted, beginning with %q: what is ordered is read from a file, one a line, or from "+
			"standard input, which is -", len(args), args[:min(len(args), shown)])
	}
	if info, err := os.Stat(args[0]); err == nil && info.IsDir() {
		return "", usagef("%s is a folder: give a file", args[0])
	}
	if _, err := domainname.Parse(args[0]); err == nil && !isInputFile(args[0]) {
		return "", usagef("there is no file %q: registrations are read from a file, or from standard input: "+
			"echo %s | bulkreg enqueue register - --holder ID", args[0], args[0])
	}
	return args[0], nil
}
