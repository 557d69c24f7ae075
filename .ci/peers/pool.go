package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
)

func openPool(ctx context.Context, url string, most int32) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("connect to Postgres: %w", err)
	}
	config.MaxConns = most
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to Postgres: %w", err)
	}
	return pool, nil
}

// countRows fails unless a statement counts as many rows as there are jobs: what Postgres says is what remains after a crash.
func countRows(ctx context.Context, pool *pgxpool.Pool, statement string, jobs int) error {
	var rows int
	if err := pool.QueryRow(ctx, statement).Scan(&rows); err != nil {
		return fmt.Errorf("count jobs: %w", err)
	}
	if rows != jobs {
		return fmt.Errorf("%d of %d jobs are done in Postgres", rows, jobs)
	}
	return nil
}
