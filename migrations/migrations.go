// Package migrations holds the database schema as numbered SQL files and brings a database up to it.
//
// A file that has landed is never edited: a change is a new file. Nothing here reads or writes
// orders, jobs or calls; that is what package store is for.
package migrations

import (
	"context"
	"embed"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed *.sql
var files embed.FS

// VersionTable is where goose keeps which migrations a database has seen.
const VersionTable = "goose_db_version"

// Applied is one migration that Up has just run.
type Applied struct {
	Version int64
	Name    string
}

// How often a process that waits for another one's migrations looks again, in seconds, and how many times: for five minutes.
const (
	lockEvery = 1
	lockTries = 300
)

// Up runs every migration that the database at url has not seen, in order, each in a transaction. Two
// processes that do so at once wait for each other on an advisory lock.
func Up(ctx context.Context, url string) (_ []Applied, err error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		// The driver's own text may quote the address with its password.
		return nil, errors.New("parse DATABASE_URL: not a Postgres address of the form postgres://user:password@host:port/database")
	}
	db := stdlib.OpenDB(*config)
	defer func() {
		if cerr := db.Close(); cerr != nil && err == nil {
			err = fmt.Errorf("close database: %w", cerr)
		}
	}()
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(lockEvery, lockTries))
	if err != nil {
		return nil, fmt.Errorf("prepare migration lock: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(locker))
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	results, err := provider.Up(ctx)
	if err != nil {
		return nil, fmt.Errorf("run migrations: %w", err)
	}
	applied := make([]Applied, 0, len(results))
	for _, r := range results {
		applied = append(applied, Applied{Version: r.Source.Version, Name: r.Source.Path})
	}
	return applied, nil
}

// Latest is the version of the newest migration that this binary carries.
func Latest() (int64, error) {
	entries, err := files.ReadDir(".")
	if err != nil {
		return 0, fmt.Errorf("read migrations: %w", err)
	}
	var latest int64
	for _, e := range entries {
		v, err := goose.NumericComponent(e.Name())
		if err != nil {
			return 0, fmt.Errorf("read version of migration %s: %w", e.Name(), err)
		}
		latest = max(latest, v)
	}
	return latest, nil
}
