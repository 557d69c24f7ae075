package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/migrations"
	"github.com/bulkreg/bulkreg/queue/intake"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/seal"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// benchTokenChunk is how many people a chunk has, as by default.
const benchTokenChunk = 50

// benchRowTime bounds a row. The longest takes a minute.
const benchRowTime = 10 * time.Minute

// benchBed is what one row has for itself: a database, a sandbox and a worker.
type benchBed struct {
	*benchRig
	row     benchRow
	store   *store.Store
	intake  *intake.Intake
	key     string // of people and tokens
	sandbox *benchProgram
	ledgers sandbox.Remote
	worker  *benchProgram
	closers []func() error
}

// measure takes one row from its empty database to its figures.
func (r *benchRig) measure(ctx context.Context, row benchRow) (_ benchFigures, err error) {
	limited, cancel := context.WithTimeout(ctx, benchRowTime)
	defer cancel()
	bed := &benchBed{benchRig: r, row: row}
	defer func() { err = errors.Join(err, bed.close()) }()
	if err := bed.prepare(limited); err != nil {
		return benchFigures{}, err
	}
	figures, err := bed.figures(limited)
	if limited.Err() != nil && ctx.Err() == nil {
		err = errors.Join(fmt.Errorf("it was not done within %s", benchRowTime), err)
	}
	return figures, err
}

// prepare starts everything and warms it up.
func (b *benchBed) prepare(ctx context.Context) error {
	if err := b.freshServers(ctx); err != nil {
		return err
	}
	if err := b.openStore(ctx); err != nil {
		return err
	}
	if err := b.startSandbox(ctx); err != nil {
		return err
	}
	if err := b.startWorker(); err != nil {
		return err
	}
	order, err := b.submit(ctx, "warm-up", min(b.row.domains, benchWarmUp))
	if err != nil {
		return err
	}
	_, err = b.await(ctx, order)
	return err
}

// close ends what runs, last things first. What prepare did not get to was not started.
func (b *benchBed) close() error {
	var errs []error
	for _, closer := range slices.Backward(b.closers) {
		errs = append(errs, closer())
	}
	return errors.Join(errs...)
}

func (b *benchBed) openStore(ctx context.Context) error {
	url := b.postgres.URL(benchDatabase)
	if _, err := migrations.Up(ctx, url); err != nil {
		return err
	}
	var err error
	if b.store, err = store.Open(ctx, url, store.Options{}); err != nil {
		return err
	}
	b.closers = append(b.closers, func() error { b.store.Close(); return nil })
	in, err := intake.New(b.store.Orders, intake.Chunks{Whois: benchWhoisBatch, Register: benchRegisterBatch, Token: benchTokenChunk})
	if err != nil {
		return err
	}
	b.key = seal.NewKey()
	keys, err := seal.ParseKeys(b.key)
	b.intake = in.SealingWith(keys)
	return err
}

func (b *benchBed) startSandbox(ctx context.Context) error {
	var err error
	if b.sandbox, err = b.start(nil, "sandbox", "--addr", "127.0.0.1:0", "--latency", b.row.latency.String()); err != nil {
		return err
	}
	b.closers = append(b.closers, b.sandbox.stop)
	url, err := b.sandbox.awaitLine(ctx, "export REGISTRAR_BASE_URL=")
	b.ledgers = sandbox.Remote{BaseURL: url, Client: &http.Client{Timeout: time.Minute}}
	return err
}

func (b *benchBed) startWorker() error {
	settings := []string{
		"DATABASE_URL=" + b.postgres.URL(benchDatabase),
		"REDIS_URL=" + b.redis.URL(),
		"REGISTRAR_BASE_URL=" + b.ledgers.BaseURL,
		"REGISTRAR_CLIENT_ID=" + sandbox.DefaultClientID,
		"REGISTRAR_CLIENT_SECRET=" + sandbox.DefaultClientSecret,
		"WHOIS_BATCH_SIZE=" + strconv.Itoa(benchWhoisBatch),
		"WHOIS_CONCURRENCY=" + strconv.Itoa(benchWhoisInFlight),
		"REGISTER_BATCH_SIZE=" + strconv.Itoa(benchRegisterBatch),
		"REGISTER_CONCURRENCY=" + strconv.Itoa(benchRegisterInFlight),
		"PMG_TOKEN_URL=" + b.ledgers.BaseURL + sandbox.TokenPath,
		"PMG_ACCESS_TOKEN=" + sandbox.DefaultAccessToken,
		"TOKEN_CONCURRENCY=" + strconv.Itoa(benchTokenInFlight),
		"TOKEN_ENCRYPTION_KEY=" + b.key,
		"METRICS_ADDR=off",
		"LOG_LEVEL=warn",
	}
	var err error
	if b.worker, err = b.start(settings, "worker"); err != nil {
		return err
	}
	b.closers = append(b.closers, func() error {
		err := b.worker.stop()
		if said := strings.TrimSpace(b.worker.stderr.String()); err == nil && said != "" {
			fmt.Fprintf(b.notes, "the worker complained, so take this row with care:\n%s\n", said)
		}
		return err
	})
	return nil
}
