// Package migrations holds the database schema as numbered SQL files and brings a database up to it.
//
// A file that has landed is never edited: a change is a new file. One that an older program can live with says so in
// schema_versions, so that a deployment may replace the processes one by one after the migration:
//
//	INSERT INTO schema_versions (version, works_since) VALUES (12, 11);
//
// Nothing here reads or writes orders, jobs or calls; that is what package store is for.
package migrations

import (
	"context"
	"embed"
	"errors"
	"fmt"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/bulkreg/bulkreg/store/session"
)

//go:embed *.sql
var files embed.FS

// VersionTable is where goose keeps which migrations a database has seen. Its name is ours alone: another program in the same
// database may use goose as well.
const VersionTable = "goose_bulkreg_version"

// Oldest is the oldest schema that this program works on. It is raised whenever the code begins to need a newer one.
const Oldest = 23

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
// processes that do so at once wait for each other on an advisory lock. A database in another encoding than UTF8 is refused.
func Up(ctx context.Context, url string) (_ []Applied, err error) {
	use := session.Use{Unhurried: true}
	config, err := session.Config(url, use)
	if err != nil {
		return nil, fmt.Errorf("parse DATABASE_URL: %w", err)
	}
	db := stdlib.OpenDB(*config.ConnConfig, stdlib.OptionAfterConnect(use.Verify))
	defer func() {
		if cerr := db.Close(); cerr != nil && err == nil {
			err = fmt.Errorf("close database: %w", cerr)
		}
	}()
	if err := prepare(ctx, config.ConnConfig, use); err != nil {
		return nil, err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(lockEvery, lockTries))
	if err != nil {
		return nil, fmt.Errorf("prepare migration lock: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithTableName(VersionTable), goose.WithSessionLocker(locker))
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	results, err := provider.Up(ctx)
	if err != nil {
		return nil, fmt.Errorf("run migrations: %w", explained(err))
	}
	applied := make([]Applied, 0, len(results))
	for _, r := range results {
		applied = append(applied, Applied{Version: r.Source.Version, Name: r.Source.Path})
	}
	return applied, nil
}

// prepare looks whether the database is fit, and carries over what an earlier release left.
func prepare(ctx context.Context, config *pgx.ConnConfig, use session.Use) (err error) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		if refused := session.Refusal(err); refused != nil {
			return refused
		}
		return fmt.Errorf("run migrations: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	if err := use.Verify(ctx, conn); err != nil {
		return fmt.Errorf("check settings: %w", err)
	}
	var database, encoding string
	err = conn.QueryRow(ctx, `SELECT current_database(), current_setting('server_encoding')`).Scan(&database, &encoding)
	if err != nil {
		return fmt.Errorf("read encoding of the database: %w", err)
	}
	if encoding != "UTF8" {
		return fmt.Errorf("the database %s has the encoding %s, and bulkreg needs UTF8: make one with CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0",
			database, encoding)
	}
	return carryOver(ctx, conn)
}

// explained says of a migration that waited for somebody else's lock what to do about it.
func explained(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == pgerrcode.LockNotAvailable {
		return fmt.Errorf("%w: another session holds a lock that the migration needs; nothing of it was done, run it again", err)
	}
	return err
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
