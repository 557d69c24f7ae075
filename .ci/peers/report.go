package main

import (
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// report is what was measured in all rounds.
type report struct {
	peers   []peer
	rates   [][]float64 // jobs a second, by peer and round
	machine machine
}

// add notes a measurement. Figures of peers whose servers differ could not be compared.
func (r *report) add(of int, m measurement) error {
	if r.rates == nil {
		r.rates, r.machine = make([][]float64, len(r.peers)), m.machine
	}
	if m.machine != r.machine {
		return fmt.Errorf("it had other servers than %s: %+v, %+v", r.peers[0].name, m.machine, r.machine)
	}
	r.rates[of] = append(r.rates[of], float64(r.peers[of].jobs)/m.took.Seconds())
	return nil
}

// ratio is the median, over rounds, of a peer's rate to bulkreg's in the same round; 0 where that was not measured.
func (r *report) ratio(of int) float64 {
	base := slices.IndexFunc(r.peers, func(p peer) bool { return p.name == reference })
	if base < 0 {
		return 0
	}
	ratios := make([]float64, len(r.rates[of]))
	for round, rate := range r.rates[of] {
		ratios[round] = rate / r.rates[base][round]
	}
	return median(ratios)
}

func (r *report) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PEER\tJOBS\tSECONDS\tJOBS/S\tTO BULKREG\tROUNDS")
	for i, p := range r.peers {
		rate, to := median(r.rates[i]), "-"
		if ratio := r.ratio(i); ratio > 0 {
			to = strconv.FormatFloat(ratio, 'f', 3, 64)
		}
		var rounds []string
		for _, each := range r.rates[i] {
			rounds = append(rounds, thousands(each))
		}
		fmt.Fprintf(t, "%s\t%s\t%.2f s\t%s\t%s\t%s\n", p.name, thousands(float64(p.jobs)), float64(p.jobs)/rate, thousands(rate), to, strings.Join(rounds, " "))
	}
	fmt.Fprintln(t)
	m := r.machine
	fmt.Fprintln(t, "MACHINE\tCORES\tPOSTGRES\tFSYNC\tSYNCHRONOUS COMMIT\tSHARED BUFFERS\tREDIS\tRIVER\tASYNQ")
	fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", m.System, m.Cores, m.Postgres, m.Fsync, m.SynchronousCommit, m.SharedBuffers, m.Redis,
		versionOf("github.com/riverqueue/river"), versionOf("github.com/hibiken/asynq"))
	fmt.Fprintln(t, "\nWhat each does for a job, and its settings:")
	for _, p := range r.peers {
		fmt.Fprintf(t, "  %s\t%s\n  \t(%s)\n", p.name, p.does, p.settings)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print result: %w", err)
	}
	return nil
}

// versionOf is the version of a module in this program; "-" in a test, which does not know.
func versionOf(module string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dependency := range info.Deps {
			if dependency.Path == module {
				return dependency.Version
			}
		}
	}
	return "-"
}

// median is the lower one of the two in the middle where there are two.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)-1)/2]
}

// thousands writes a number with a comma before every three digits.
func thousands(number float64) string {
	digits := strconv.Itoa(int(number))
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
