package store_test

import (
	"fmt"
	"testing"

	"github.com/bulkreg/bulkreg/store/record"
)

func TestOrdersNamed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, o := range []struct{ source, reference string }{{"cli", "one"}, {"shop", "one"}, {"cli", "2026/1"}, {"cli/2026", "1"}, {"cli", "x"}} {
		n := newOrder(record.Whois, o.reference)
		n.Source = o.source
		b.submit(n, o.source+"-"+o.reference)
	}
	for text, want := range map[string]string{
		"x":          "[cli x]",
		"cli/x":      "[cli x]",
		"one":        "[shop one, cli one]",
		"shop/one":   "[shop one]",
		"2026/1":     "[cli 2026/1]",
		"cli/2026/1": "[cli/2026 1, cli 2026/1]",
		"shop/x":     "[]",
		"/x":         "[]",
		"":           "[]",
		"a\x00b":     "[]",
	} {
		orders, err := b.store.Orders.Named(t.Context(), text)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, o := range orders {
			if got != "" {
				got += ", "
			}
			got += o.Source + " " + o.Reference
		}
		if got = fmt.Sprintf("[%s]", got); got != want {
			t.Errorf("%q names %s, want %s", text, got, want)
		}
	}
}
