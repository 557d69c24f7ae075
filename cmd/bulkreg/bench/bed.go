package bench

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

// tokenChunk is how many people a chunk has, as by default.
const tokenChunk = 5

// rowTime bounds a row. The longest takes a minute.
const rowTime = 10 * time.Minute

// Bed is what one row has for itself: a database, a sandbox and a worker, or an API.
type Bed struct {
	*Rig
	row     Row
	store   *store.Store
	intake  *intake.Intake
	key     string // of people and tokens
	sandbox *Program
	ledgers sandbox.Remote
	worker  *Program
	door    *door // of the row that measures the HTTP API
	closers []func() error
}

// Measure takes one row from its empty database to its figures.
func (r *Rig) Measure(ctx context.Context, row Row) (_ Figures, err error) {
	limited, cancel := context.WithTimeout(ctx, rowTime)
	defer cancel()
	bed := &Bed{Rig: r, row: row}
	defer func() { err = errors.Join(err, bed.close()) }()
	if err := bed.prepare(limited); err != nil {
		return Figures{}, err
	}
	figures, err := bed.figures(limited)
	if limited.Err() != nil && ctx.Err() == nil {
		err = errors.Join(fmt.Errorf("it was not done within %s", rowTime), err)
	}
	return figures, err
}

// prepare starts everything and warms it up.
func (b *Bed) prepare(ctx context.Context) error {
	if b.row.door > 0 {
		return b.prepareDoor(ctx)
	}
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
	order, err := b.submit(ctx, "warm-up", min(b.row.domains, warmUp))
	if err != nil {
		return err
	}
	_, err = b.await(ctx, order)
	return err
}

// close ends what runs, last things first. What prepare did not get to was not started.
func (b *Bed) close() error {
	var errs []error
	for _, closer := range slices.Backward(b.closers) {
		errs = append(errs, closer())
	}
	return errors.Join(errs...)
}

func (b *Bed) openStore(ctx context.Context) error {
	url := b.postgres.URL(databaseName)
	if _, err := migrations.Up(ctx, url); err != nil {
		return err
	}
	var err error
	if b.store, err = store.Open(ctx, url, store.Options{}); err != nil {
		return err
	}
	b.closers = append(b.closers, func() error { b.store.Close(); return nil })
	in, err := intake.New(b.store.Orders, intake.Chunks{Whois: whoisBatch, Register: registerBatch, Token: tokenChunk})
	if err != nil {
		return err
	}
	b.key = seal.NewKey()
	keys, err := seal.ParseKeys(b.key)
	b.intake = in.SealingWith(keys)
	return err
}

func (b *Bed) startSandbox(ctx context.Context) error {
	var err error
	if b.sandbox, err = b.start(nil, "sandbox", "--addr", "127.0.0.1:0", "--latency", b.row.latency.String()); err != nil {
		return err
	}
	b.closers = append(b.closers, b.sandbox.stop)
	url, err := b.sandbox.awaitLine(ctx, "export REGISTRAR_BASE_URL=")
	b.ledgers = sandbox.Remote{BaseURL: url, Client: &http.Client{Timeout: time.Minute}}
	return err
}

func (b *Bed) startWorker() error {
	settings := []string{
		"DATABASE_URL=" + b.postgres.URL(databaseName),
		"REDIS_URL=" + b.redis.URL(),
		"REGISTRAR_BASE_URL=" + b.ledgers.BaseURL,
		"REGISTRAR_CLIENT_ID=" + sandbox.DefaultClientID,
		"REGISTRAR_CLIENT_SECRET=" + sandbox.DefaultClientSecret,
		"WHOIS_BATCH_SIZE=" + strconv.Itoa(whoisBatch),
		"WHOIS_CONCURRENCY=" + strconv.Itoa(whoisInFlight),
		"REGISTER_BATCH_SIZE=" + strconv.Itoa(registerBatch),
		"REGISTER_CONCURRENCY=" + strconv.Itoa(registerInFlight),
		"PMG_TOKEN_URL=" + b.ledgers.BaseURL + sandbox.TokenPath,
		"PMG_ACCESS_TOKEN=" + sandbox.DefaultAccessToken,
		"TOKEN_CONCURRENCY=" + strconv.Itoa(tokenInFlight),
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
