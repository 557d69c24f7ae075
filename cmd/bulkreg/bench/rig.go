package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/queue/redisserver"
	"github.com/bulkreg/bulkreg/store/pgserver"
)

// Rig is what all rows share: the servers, and the program that is measured.
type Rig struct {
	program  string   // this one
	environ  []string // of this one, without its settings
	postgres *pgserver.Server
	redis    *redisserver.Server
	notes    io.Writer
}

// Start starts the servers. Environ is this program's environment, whose settings are not heeded; notes is where the rows' progress
// and their worker's complaints go. The caller stops the rig.
func Start(ctx context.Context, environ []string, notes io.Writer) (_ *Rig, err error) {
	rig := &Rig{environ: withoutSettings(environ), notes: notes}
	if rig.program, err = os.Executable(); err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	rig.postgres, err = pgserver.Start(ctx, pgserver.Options{
		Durable:  true,
		Settings: map[string]string{"shared_buffers": "256MB"},
	})
	if err != nil {
		return nil, err
	}
	if rig.redis, err = redisserver.Start(ctx, redisserver.Options{}); err != nil {
		return nil, errors.Join(err, rig.postgres.Stop())
	}
	return rig, nil
}

// Stop ends the servers, and removes what they have written.
func (r *Rig) Stop() error { return errors.Join(r.redis.Kill(), r.postgres.Stop()) }

// withoutSettings is an environment in which every setting has its default.
func withoutSettings(environ []string) []string {
	settings := map[string]bool{}
	for _, f := range config.Fields() {
		settings[f.Variable], settings[f.Variable+"_FILE"] = true, true
	}
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return settings[name] || strings.HasPrefix(name, "REGISTRAR_") // accounts have numbers in their names
	})
}

// databaseName is the name of the database that each row has for itself.
const databaseName = "bulkreg_bench"

// freshServers empties Redis and makes an empty database, and has Postgres write what the last row left, so that no row
// pays for another.
func (r *Rig) freshServers(ctx context.Context) error {
	if err := r.redis.FlushAll(ctx); err != nil {
		return err
	}
	name := pgx.Identifier{databaseName}.Sanitize()
	for _, statement := range []string{"DROP DATABASE IF EXISTS " + name + " WITH (FORCE)", "CREATE DATABASE " + name, "CHECKPOINT"} {
		err := r.askPostgres(ctx, func(conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, statement)
			return err
		})
		if err != nil {
			return fmt.Errorf("make a fresh database: %w", err)
		}
	}
	return nil
}

func (r *Rig) askPostgres(ctx context.Context, ask func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, r.postgres.URL(""))
	if err != nil {
		return err
	}
	return errors.Join(ask(conn), conn.Close(context.WithoutCancel(ctx)))
}

// Machine is what the figures were measured on.
type Machine struct {
	System            string `json:"system"`
	Cores             int    `json:"cores"`
	Go                string `json:"go"`
	Postgres          string `json:"postgres"`
	Fsync             string `json:"fsync"`
	SynchronousCommit string `json:"synchronous_commit"`
	SharedBuffers     string `json:"shared_buffers"`
	Redis             string `json:"redis"`
}

// Machine asks the servers themselves what they are, and what they are set to.
func (r *Rig) Machine(ctx context.Context) (Machine, error) {
	m := Machine{System: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.NumCPU(), Go: runtime.Version()}
	err := r.askPostgres(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `
			SELECT current_setting('server_version'), current_setting('fsync'), current_setting('synchronous_commit'),
				current_setting('shared_buffers')`).Scan(&m.Postgres, &m.Fsync, &m.SynchronousCommit, &m.SharedBuffers)
	})
	if err != nil {
		return m, fmt.Errorf("ask Postgres what it is: %w", err)
	}
	err = redisserver.Exchange(ctx, r.redis.URL(), func(ctx context.Context, client *redis.Client) error {
		info, err := client.Info(ctx, "server").Result()
		m.Redis = infoField(info, "redis_version") // Valkey, which has a version of its own, tells which one it equals
		return err
	})
	if err != nil {
		return m, fmt.Errorf("ask Redis what it is: %w", err)
	}
	return m, nil
}
