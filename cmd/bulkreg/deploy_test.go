package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bulkreg/bulkreg/store/holds"
)

// Every image that deploy/ names is pinned by its digest, but for our own, which whoever builds it names.
func TestImagesArePinned(t *testing.T) {
	t.Parallel()
	image := regexp.MustCompile(`(?m)^\s*(?:- )?(?:FROM(?: --platform=\S+)?|image:) +"?([^\s"]+)`)
	pinned := regexp.MustCompile(`@sha256:[0-9a-f]{64}$`)
	found := 0
	err := fs.WalkDir(os.DirFS(filepath.Join("..", "..", "deploy")), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join("..", "..", "deploy", path))
		if err != nil {
			return err
		}
		for _, match := range image.FindAllStringSubmatch(string(text), -1) {
			found++
			if own := strings.HasPrefix(match[1], "bulkreg") || strings.Contains(match[1], "/bulkreg:"); !own && !pinned.MatchString(match[1]) {
				t.Errorf("deploy/%s names %s without its digest", path, match[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 3 {
		t.Errorf("found %d images in deploy/, want those of the Dockerfile and of the scheduled check at least", found)
	}
}

// asked is what the manifests have KEDA ask Postgres about a kind.
func asked(t *testing.T, kind string) string {
	t.Helper()
	_, rest, found := strings.Cut(page(t, filepath.Join("..", "..", "deploy", "kubernetes", "components", "keda", kind+".yaml")), "query: |\n")
	if !found {
		t.Fatalf("nothing is asked about %s", kind)
	}
	return rest
}

// KEDA counts what could go now, as the user that deploy/README.md makes for it.
func TestScalersCountWhatWaits(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.environ = append(d.environ, "USER=ann")
	counts := func(of string) {
		t.Helper()
		for i, kind := range []string{"whois", "register", "token"} {
			if got, want := d.asScaler(asked(t, kind)), int(of[i]-'0'); got != want {
				t.Errorf("%d of %s wait, want %d of %s", got, kind, want, of)
			}
		}
	}
	counts("000")
	d.must(exitDone, "enqueue", "whois", "a.nl", "b.nl", "c.nl", "--order", "one")
	d.register("two", "d.nl", "e.nl")
	counts("320")
	d.exec(`UPDATE jobs SET wake_at = now() - interval '1 s' WHERE domain = 'a.nl'`) // delivered once, and due again
	counts("420")                                                                    // its chunk is still there: a little too many does no harm
	d.exec(`UPDATE jobs SET wake_at = now() + interval '1 h' WHERE domain = 'a.nl'`)
	counts("320")
	d.placeHold(holds.Payment)
	counts("300")
	d.must(exitDone, "pause", "one", "--reason", "x")
	counts("000")
}

// asScaler asks for a number as the user of whom deploy/README.md says what it may read. Nothing of that user is left behind.
func (d *desk) asScaler(query string) (n int) {
	d.t.Helper()
	_, rest, _ := strings.Cut(page(d.t, "../../deploy/README.md"), "```sql\n")
	grants, _, found := strings.Cut(rest, "```")
	if !found {
		d.t.Fatal("deploy/README.md makes no user")
	}
	d.sql(func(conn *pgx.Conn) error {
		tx, err := conn.Begin(d.t.Context())
		if err != nil {
			return err
		}
		defer tx.Rollback(d.t.Context())
		_, err = tx.Exec(d.t.Context(), grants+"; SET LOCAL ROLE bulkreg_scaler")
		if refused := (*pgconn.PgError)(nil); errors.As(err, &refused) && refused.Code == pgerrcode.InsufficientPrivilege {
			d.t.Skip("the user of this Postgres may make no users")
		}
		if err != nil {
			return err
		}
		return tx.QueryRow(d.t.Context(), query).Scan(&n)
	})
	return n
}
