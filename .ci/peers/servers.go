package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/bulkreg/bulkreg/queue/redisserver"
	"github.com/bulkreg/bulkreg/store/pgserver"
)

// servers are what `bulkreg bench` starts for itself, with the same settings: a Postgres whose commits survive a crash, and a Redis that
// keeps nothing on disk.
type servers struct {
	postgres *pgserver.Server
	redis    *redisserver.Server
}

func startServers(ctx context.Context) (_ *servers, err error) {
	s := &servers{}
	s.postgres, err = pgserver.Start(ctx, pgserver.Options{Durable: true, Settings: map[string]string{"shared_buffers": "256MB"}})
	if err != nil {
		return nil, err
	}
	if s.redis, err = redisserver.Start(ctx, redisserver.Options{}); err != nil {
		return nil, errors.Join(err, s.postgres.Stop())
	}
	return s, nil
}

func (s *servers) stop() error { return errors.Join(s.redis.Kill(), s.postgres.Stop()) }

// machine is what a peer was measured on, in the words of `bulkreg bench --json`. A difference between two peers is an error.
type machine struct {
	System            string `json:"system"`
	Cores             int    `json:"cores"`
	Postgres          string `json:"postgres"`
	Fsync             string `json:"fsync"`
	SynchronousCommit string `json:"synchronous_commit"`
	SharedBuffers     string `json:"shared_buffers"`
	Redis             string `json:"redis"`
}

// machine asks the servers themselves.
func (s *servers) machine(ctx context.Context) (machine, error) {
	m := machine{System: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.NumCPU()}
	conn, err := pgx.Connect(ctx, s.postgres.URL(""))
	if err != nil {
		return m, fmt.Errorf("ask Postgres what it is: %w", err)
	}
	err = conn.QueryRow(ctx, `SELECT current_setting('server_version'), current_setting('fsync'), current_setting('synchronous_commit'),
		current_setting('shared_buffers')`).Scan(&m.Postgres, &m.Fsync, &m.SynchronousCommit, &m.SharedBuffers)
	if err := errors.Join(err, conn.Close(context.WithoutCancel(ctx))); err != nil {
		return m, fmt.Errorf("ask Postgres what it is: %w", err)
	}
	err = redisserver.Exchange(ctx, s.redis.URL(), func(ctx context.Context, client *redis.Client) error {
		info, err := client.Info(ctx, "server").Result()
		for line := range strings.Lines(info) {
			if version, ok := strings.CutPrefix(strings.TrimSpace(line), "redis_version:"); ok {
				m.Redis = version
			}
		}
		return err
	})
	if err != nil {
		return m, fmt.Errorf("ask Redis what it is: %w", err)
	}
	return m, nil
}
