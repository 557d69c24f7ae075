package main

import (
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/queue/intake"
)

func TestPlanQuestion(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{
		0: "nothing is paid. Store the order all the same?", 1: "Register 1 domain? It costs money", 2000: "Register 2,000 domains? It costs money",
	} {
		if got := (plan{Plan: intake.Plan{New: n}}).question(); !strings.Contains(got, want) {
			t.Errorf("%d new: %q", n, got)
		}
	}
}

func TestPlanPrintsNumbersForPeople(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	plan{Plan: intake.Plan{New: 1_000_000}, reference: "one", account: "default"}.print(&out)
	if !strings.Contains(out.String(), "1,000,000") {
		t.Errorf("got %s", out.String())
	}
}
