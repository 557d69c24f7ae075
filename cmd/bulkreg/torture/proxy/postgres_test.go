package proxy

import (
	"context"
	"encoding/binary"
	"net"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/store/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// database is a Postgres behind a proxy.
type database struct {
	t      *testing.T
	url    string
	direct *pgx.Conn
	proxy  *Proxy
}

func setupPostgres(t *testing.T) *database {
	t.Helper()
	d := &database{t: t, url: pgtest.New(t)}
	d.direct = d.connect(nil)
	config := d.direct.Config()
	var err error
	if d.proxy, err = ListenPostgres("tcp", net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port)))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.proxy.Close(); err != nil {
			t.Error(err)
		}
	})
	d.exec(d.direct, `CREATE TABLE told (what text)`)
	return d
}

// connect connects through a proxy, or directly.
func (d *database) connect(through *Proxy) *pgx.Conn {
	d.t.Helper()
	config, err := pgx.ParseConfig(d.url)
	if err != nil {
		d.t.Fatal(err)
	}
	if through != nil {
		host, port, err := net.SplitHostPort(through.Addr())
		if err != nil {
			d.t.Fatal(err)
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			d.t.Fatal(err)
		}
		config.Host, config.Port, config.TLSConfig, config.Fallbacks = host, uint16(n), nil, nil
	}
	conn, err := pgx.ConnectConfig(d.t.Context(), config)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = conn.Close(context.Background()) }) // the proxy may have closed it
	return conn
}

func (d *database) exec(conn *pgx.Conn, sql string, args ...any) {
	d.t.Helper()
	if _, err := conn.Exec(d.t.Context(), sql, args...); err != nil {
		d.t.Fatal(err)
	}
}

// told is everything that was committed.
func (d *database) told() []string {
	d.t.Helper()
	rows, err := d.direct.Query(d.t.Context(), `SELECT what FROM told ORDER BY what`)
	if err != nil {
		d.t.Fatal(err)
	}
	told, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		d.t.Fatal(err)
	}
	return told
}

const tell = `INSERT INTO told VALUES ($1)`

func TestDropCommitOfABlock(t *testing.T) {
	t.Parallel()
	d := setupPostgres(t)
	conn := d.connect(d.proxy)
	d.proxy.DropCommit("INTO told")
	// What is rolled back is not the one.
	if err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
		d.exec(tx.Conn(), tell, "never")
		return context.Canceled
	}); err != context.Canceled {
		t.Fatal(err)
	}
	// Nor is another transaction.
	if err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
		d.exec(tx.Conn(), `CREATE TABLE other ()`)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
		d.exec(tx.Conn(), tell, "a")
		d.exec(tx.Conn(), `SELECT 1`)
		return nil
	})
	if err == nil || !conn.IsClosed() || d.proxy.Counts().Dropped != 1 {
		t.Errorf("the commit was answered: %v, %+v", err, d.proxy.Counts())
	}
	if told := d.told(); !slices.Equal(told, []string{"a"}) {
		t.Errorf("%v", told)
	}
	d.exec(d.connect(d.proxy), tell, "b") // only once
}

// A statement by itself, prepared before; and one in a batch.
func TestDropCommitOfASingleStatement(t *testing.T) {
	t.Parallel()
	d := setupPostgres(t)
	conn := d.connect(d.proxy)
	d.exec(conn, tell, "a")
	d.proxy.DropCommit("INTO told")
	if _, err := conn.Exec(t.Context(), tell, "b"); err == nil || d.proxy.Counts().Dropped != 1 {
		t.Errorf("the statement was answered: %v, %+v", err, d.proxy.Counts())
	}
	d.proxy.DropCommit("INTO told")
	var batch pgx.Batch
	batch.Queue(`SELECT count(*) FROM told`)
	batch.Queue(tell, "c")
	if err := d.connect(d.proxy).SendBatch(t.Context(), &batch).Close(); err == nil || d.proxy.Counts().Dropped != 2 {
		t.Errorf("the batch was answered: %v, %+v", err, d.proxy.Counts())
	}
	if told := d.told(); !slices.Equal(told, []string{"a", "b", "c"}) {
		t.Errorf("%v", told)
	}
}

// said encodes a message of a client; kind 0 is the first one of a line.
func said(kind byte, body string) []byte {
	var m []byte
	if kind != 0 {
		m = append(m, kind)
	}
	m = binary.BigEndian.AppendUint32(m, uint32(len(body)+4))
	return append(m, body...)
}

var conversation = slices.Concat(
	said(0, "\x00\x03\x00\x00user\x00u\x00\x00"), said('Q', "begin\x00"), said('P', "s1\x00insert x\x00\x00\x00"), said('S', ""),
	said('B', "\x00s1\x00params"), said('E', "\x00\x00\x00\x00\x00"), said('S', ""), said('Q', "commit\x00"), said('X', ""),
)

func statements(pieces ...[]byte) (run []string) {
	s := newSession()
	for _, p := range pieces {
		s.read(p, func(statement string) { run = append(run, statement) })
	}
	return run
}

// A transaction that stands still holds its locks, and neither end learns of the other's end, until the line is healed.
func TestFreeze(t *testing.T) {
	t.Parallel()
	d := setupPostgres(t)
	conn := d.connect(d.proxy)
	d.proxy.Freeze("INTO told")
	d.exec(conn, tell, "single") // no block
	giveUp, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	err := pgx.BeginFunc(giveUp, conn, func(tx pgx.Tx) error {
		_, err := tx.Exec(giveUp, tell, "frozen")
		return err
	})
	if err == nil || d.proxy.Counts().Frozen != 1 {
		t.Errorf("the transaction went on: %v, %+v", err, d.proxy.Counts())
	}
	standing := func() (n int) {
		t.Helper()
		if err := d.direct.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND state = 'idle in transaction'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	time.Sleep(moment)
	if n := standing(); n != 1 {
		t.Errorf("%d transactions stand still once their client has gone, want 1", n)
	}
	d.proxy.Heal()
	for end := time.Now().Add(30 * time.Second); standing() > 0; time.Sleep(moment / 10) {
		if time.Now().After(end) {
			t.Fatal("the transaction stands after the line was healed")
		}
	}
	d.exec(d.connect(d.proxy), tell, "b") // only once
	if told := d.told(); !slices.Equal(told, []string{"b", "single"}) {
		t.Errorf("%v", told)
	}
}

// Nor does the client learn that Postgres has ended what stood still.
func TestFrozenClientHearsNothing(t *testing.T) {
	t.Parallel()
	d := setupPostgres(t)
	conn := d.connect(d.proxy)
	d.proxy.Freeze("INTO told")
	heard := make(chan error, 1)
	go func() {
		heard <- pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), tell, "frozen")
			return err
		})
	}()
	for ended, end := 0, time.Now().Add(30*time.Second); ended == 0; time.Sleep(moment / 10) {
		if d.proxy.Counts().Frozen == 0 {
			continue // what is ended before that, the client hears of
		}
		if err := d.direct.QueryRow(t.Context(), `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
			WHERE datname = current_database() AND state = 'idle in transaction' AND query LIKE '%INTO told%'
			AND pid <> pg_backend_pid()`).Scan(&ended); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(end) {
			t.Fatal("nothing stands still")
		}
	}
	select {
	case err := <-heard:
		t.Fatalf("the client hears of the end: %v", err)
	case <-time.After(moment):
	}
	d.proxy.Heal()
	if err := <-heard; err == nil {
		t.Error("the transaction went through")
	}
}

func TestSessionReadsAlong(t *testing.T) {
	t.Parallel()
	if got := statements(conversation); !slices.Equal(got, []string{"begin", "insert x", "commit"}) {
		t.Errorf("%q", got)
	}
}

// However the data is cut into pieces, the same statements are seen.
func FuzzSession(f *testing.F) {
	f.Add(conversation, 1)
	f.Add(conversation, 7)
	f.Add([]byte("\x00\x00\x00\x04\x00\x00\x00\x00\x05xQ"), 2)
	f.Add([]byte("\x00\x00\x00\x00Q\x00\x00\x00\x00"), 3)
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		size = max(1, min(size, len(data)+1))
		if whole, cut := statements(data), statements(slices.Collect(slices.Chunk(data, size))...); !slices.Equal(whole, cut) {
			t.Errorf("whole %q, in pieces of %d %q", whole, size, cut)
		}
	})
}
