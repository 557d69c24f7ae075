package intake_test

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/bulkreg/bulkreg/queue/intake"
	"github.com/bulkreg/bulkreg/queue/intake/input"
)

func register() input.Options { return input.Options{Kind: "register", DefaultHolderID: "H-1"} }

func newReader(t *testing.T, r io.Reader, o input.Options) *input.Reader {
	t.Helper()
	reader, err := input.NewReader(r, o)
	if err != nil {
		t.Fatal(err)
	}
	return reader
}

// spool reads a file that has no bad line.
func spool(t *testing.T, text string, o input.Options) *intake.Spool {
	t.Helper()
	s, err := intake.ReadSpool(newReader(t, strings.NewReader(text), o), func(bad *input.RejectError) error { return bad })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func domains(t *testing.T, s *intake.Spool) []string {
	t.Helper()
	var out []string
	for d, err := range s.Domains() {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, d)
	}
	return out
}

func TestSpoolKeepsTheOrderOfTheFile(t *testing.T) {
	t.Parallel()
	s := spool(t, "b.nl\nA.nl\nmünchen.de\n", register())
	for range 2 { // it can be read again
		if got := domains(t, s); !slices.Equal(got, []string{"b.nl", "a.nl", "xn--mnchen-3ya.de"}) || s.Len() != 3 {
			t.Errorf("%d jobs: %v", s.Len(), got)
		}
	}
	for d := range s.Domains() { // and left early
		if d != "b.nl" {
			t.Errorf("first is %s", d)
		}
		break
	}
	if got := domains(t, s); len(got) != 3 {
		t.Errorf("after an early leave: %v", got)
	}
}

// The digest tells what is asked for, not how the file is written.
func TestDigest(t *testing.T) {
	t.Parallel()
	const columns = "domain,holder_id,period,nameservers\n"
	base := columns + "a.nl,H-1,12,ns1.test ns2.test\nb.nl,H-1,12,\nmünchen.de,H-1,12,\n"
	want := spool(t, base, register()).Digest()
	for name, text := range map[string]string{
		"itself":                    base,
		"other order":               columns + "münchen.de,H-1,12,\nb.nl,H-1,12,\na.nl,H-1,12,ns1.test ns2.test\n",
		"upper case and A-labels":   columns + "A.NL,H-1,12,NS1.TEST ns2.test\nb.nl.,H-1,12,\nXN--MNCHEN-3YA.de,H-1,12,\n",
		"with defaults left out":    "domain,nameservers\na.nl,ns1.test ns2.test\nb.nl,\nmünchen.de,\n",
		"a line twice":              base + "b.nl,H-1,12,\n",
		"as NDJSON":                 `{"domain":"a.nl","nameservers":["ns1.test","ns2.test"]}` + "\n" + `{"domain":"b.nl"}` + "\n" + `{"domain":"münchen.de"}`,
		"with comments and CR LF's": strings.ReplaceAll("# an order\n"+base, "\n", "\r\n"),
	} {
		if got := spool(t, text, register()).Digest(); got != want {
			t.Errorf("%s: another digest", name)
		}
	}
	seen := map[[32]byte]string{want: "itself"}
	for name, text := range map[string]string{
		"one less":             columns + "a.nl,H-1,12,ns1.test ns2.test\nb.nl,H-1,12,\n",
		"one more":             base + "c.nl,H-1,12,\n",
		"other domain":         columns + "a.nl,H-1,12,ns1.test ns2.test\nc.nl,H-1,12,\nmünchen.de,H-1,12,\n",
		"other holder":         columns + "a.nl,H-1,12,ns1.test ns2.test\nb.nl,H-2,12,\nmünchen.de,H-1,12,\n",
		"other period":         columns + "a.nl,H-1,12,ns1.test ns2.test\nb.nl,H-1,24,\nmünchen.de,H-1,12,\n",
		"other name servers":   columns + "a.nl,H-1,12,ns1.test ns3.test\nb.nl,H-1,12,\nmünchen.de,H-1,12,\n",
		"another allow_status": "domain,allow_status,nameservers\na.nl,premium,ns1.test ns2.test\nb.nl,,\nmünchen.de,,\n",
		"exchanged holders":    columns + "a.nl,H-2,12,ns1.test ns2.test\nb.nl,H-1,12,\nmünchen.de,H-1,12,\n",
		"nothing in the file":  "",
	} {
		got := spool(t, text, register()).Digest()
		if other, there := seen[got]; there {
			t.Errorf("%s: the same digest as %s", name, other)
		}
		seen[got] = name
	}
}

func TestBadLinesAreRejectedAndReadingGoesOn(t *testing.T) {
	t.Parallel()
	var rejected []int
	r := newReader(t, strings.NewReader("good.nl\nnot a domain\nalso-good.nl\n-bad-.nl\nlast.nl"), register())
	s, err := intake.ReadSpool(r, func(bad *input.RejectError) error {
		rejected = append(rejected, bad.Line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := domains(t, s); !slices.Equal(got, []string{"good.nl", "also-good.nl", "last.nl"}) || !slices.Equal(rejected, []int{2, 4}) {
		t.Errorf("spooled %v, rejected lines %v", got, rejected)
	}
}

// What is spooled may hold customers' names: nobody finds a file, neither while it is read nor after the process was
// killed. Not parallel, for it looks at the whole folder for temporary files.
func TestSpoolFileHasNoName(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	wantNone := func() {
		t.Helper()
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
			t.Errorf("%d files, %v; want none", len(entries), err)
		}
	}
	long := strings.NewReader(strings.Repeat("a.nl\n", 10_000))
	errBroken := errors.New("line broken")
	isBroken := func(err error) bool { return errors.Is(err, errBroken) }
	for name, c := range map[string]struct {
		reader     io.Reader
		maxRecords int
		wanted     func(error) bool
	}{
		"reject gives up":    {strings.NewReader("a.nl\nnot a domain\n"), 0, isBroken},
		"reading breaks off": {io.MultiReader(long, iotest.ErrReader(errBroken)), 0, isBroken},
		"file is unusable":   {strings.NewReader("a.nl\nb.nl\n"), 1, func(err error) bool { return errors.As(err, new(*input.FileError)) }},
	} {
		o := register()
		o.MaxRecords = c.maxRecords
		s, err := intake.ReadSpool(newReader(t, c.reader, o), func(*input.RejectError) error { return errBroken })
		if s != nil || !c.wanted(err) {
			t.Errorf("%s: %v", name, err)
		}
		wantNone()
	}
	s, err := intake.ReadSpool(newReader(t, strings.NewReader("a.nl\nb.nl\n"), register()), nil)
	if err != nil {
		t.Fatal(err)
	}
	wantNone()
	if got := domains(t, s); !slices.Equal(got, []string{"a.nl", "b.nl"}) {
		t.Errorf("got %q", got)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	t.Setenv("TMPDIR", dir+"/missing")
	if _, err := intake.ReadSpool(newReader(t, strings.NewReader(names("many", 5000)), register()), nil); err == nil || !strings.Contains(err.Error(), "create temporary file") {
		t.Errorf("without a folder for temporary files: %v", err)
	}
}
