package bench

import (
	"strings"
	"testing"
)

// A program that ends although it should run is found out, with its own words.
func TestProgramThatEnds(t *testing.T) {
	t.Parallel()
	rig := &Rig{program: "/bin/sh"}
	p, err := rig.start(nil, "-c", "echo first; echo no database >&2; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.awaitLine(t.Context(), "second")
	for _, want := range []string{"ended by itself", "exit status 3", "no database"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
	if err := p.stop(); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("stop: %v", err)
	}
	if err := p.stop(); err != nil {
		t.Errorf("second stop: %v", err)
	}
}

func TestProgramPeak(t *testing.T) {
	t.Parallel()
	rig := &Rig{program: "/bin/sh"}
	p, err := rig.start([]string{"WORD=set"}, "-c", `trap 'exit 0' TERM; echo "word $WORD"; while :; do sleep 0.01; done`)
	if err != nil {
		t.Fatal(err)
	}
	if word, err := p.awaitLine(t.Context(), "word "); word != "set" || err != nil {
		t.Errorf("it said %q, %v", word, err)
	}
	if err := p.stop(); err != nil {
		t.Error(err)
	}
	if p.peak < 100<<10 || p.peak > 100<<20 {
		t.Errorf("a shell had %d bytes", p.peak)
	}
	if after := residentPeakOf(p.State()); after < 100<<10 {
		t.Errorf("a shell had %d bytes at its end", after)
	}
}
