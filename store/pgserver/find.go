package pgserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrNotInstalled says that no Postgres server was found that can be used. Its message names the places that were
// looked at and what to install.
var ErrNotInstalled = errors.New("no usable Postgres server is installed")

// oldest is the oldest major version that is tried: the first with DROP DATABASE ... WITH (FORCE).
const oldest = 13

// packagePlaces is where packages put the binaries: Debian, PGDG's RPMs, Alpine, Homebrew on Apple silicon, on Intel
// and on Linux.
func packagePlaces() []string {
	return []string{
		"/usr/lib/postgresql/*/bin",
		"/usr/pgsql-*/bin",
		"/usr/libexec/postgresql*",
		"/opt/homebrew/opt/postgresql@*/bin",
		"/usr/local/opt/postgresql@*/bin",
		"/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
	}
}

type binaries struct {
	initdb, postgres string
	major            int
}

// find looks for a server of the wanted major version; 0 takes the first one.
func find(ctx context.Context, binDir string, wanted int) (binaries, error) {
	places, err := candidates(binDir)
	if err != nil {
		return binaries{}, err
	}
	var refused []string
	for _, dir := range places {
		b, err := inspect(ctx, dir)
		switch {
		case ctx.Err() != nil:
			return binaries{}, fmt.Errorf("look for postgres: %w", ctx.Err())
		case errors.Is(err, os.ErrNotExist):
			continue
		case err != nil:
			refused = append(refused, err.Error())
		case b.major < oldest:
			refused = append(refused, fmt.Sprintf("%s is version %d and %d is the oldest that works", dir, b.major, oldest))
		case wanted != 0 && b.major != wanted:
			refused = append(refused, fmt.Sprintf("%s is version %d and the database was made by %d", dir, b.major, wanted))
		default:
			return b, nil
		}
	}
	return binaries{}, notInstalled(binDir, wanted, refused)
}

func notInstalled(binDir string, wanted int, refused []string) error {
	looked := "on PATH, " + strings.Join(packagePlaces(), ", ")
	if binDir != "" {
		looked = binDir
	}
	version := ""
	if wanted != 0 {
		version = fmt.Sprintf(" of version %d", wanted)
	}
	message := fmt.Sprintf("looked for initdb and postgres%s in: %s", version, looked)
	if len(refused) > 0 {
		message += "; not usable: " + strings.Join(refused, ", ")
	}
	return fmt.Errorf("%w; %s; install it with: apt-get install postgresql (Debian, Ubuntu), "+
		"dnf install postgresql-server (Fedora), brew install postgresql@17 (Homebrew)", ErrNotInstalled, message)
}

// candidates are the folders to try: PATH first, because the user chose it, then the newest package.
func candidates(binDir string) ([]string, error) {
	if binDir != "" {
		return []string{binDir}, nil
	}
	var places []string
	if path, err := exec.LookPath("postgres"); err == nil {
		places = append(places, filepath.Dir(path))
	}
	for _, pattern := range packagePlaces() {
		dirs, err := filepath.Glob(pattern)
		if err != nil {
			return nil, fmt.Errorf("look for postgres in %s: %w", pattern, err)
		}
		slices.SortFunc(dirs, func(a, b string) int { return cmp.Compare(numberIn(b), numberIn(a)) })
		places = append(places, dirs...)
	}
	return places, nil
}

var number = regexp.MustCompile(`[0-9]+`)

// numberIn is the first number in a path, by which the folders of one package place are told apart.
func numberIn(path string) int {
	n, err := strconv.Atoi(number.FindString(path))
	if err != nil {
		return 0
	}
	return n
}

// inspect returns os.ErrNotExist if the folder does not hold both programs.
func inspect(ctx context.Context, dir string) (binaries, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return binaries{}, err
	}
	b := binaries{initdb: filepath.Join(dir, "initdb"), postgres: filepath.Join(dir, "postgres")}
	for _, path := range []string{b.initdb, b.postgres} {
		if _, err := os.Stat(path); err != nil {
			return binaries{}, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	output, err := exec.CommandContext(ctx, b.postgres, "--version").Output()
	if err != nil {
		return binaries{}, fmt.Errorf("run %s --version: %w", b.postgres, err)
	}
	if b.major, err = parseMajor(string(output)); err != nil {
		return binaries{}, fmt.Errorf("run %s --version: %w", b.postgres, err)
	}
	return b, nil
}

// parseMajor reads what `postgres --version` prints, such as "postgres (PostgreSQL) 15.18 (Debian 15.18-0)" or
// "postgres (PostgreSQL) 19beta1".
func parseMajor(output string) (int, error) {
	_, version, found := strings.Cut(output, "(PostgreSQL) ")
	digits := version[:len(version)-len(strings.TrimLeft(version, "0123456789"))]
	major, err := strconv.Atoi(digits)
	if !found || err != nil {
		return 0, fmt.Errorf("no version of Postgres in %.100q", output)
	}
	return major, nil
}
