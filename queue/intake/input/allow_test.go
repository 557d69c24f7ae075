package input

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Each line says what it allows, or else the order does.
func TestAllowStatus(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		text    string
		options Options
		want    map[string][]string
	}{
		"nobody does": {"domain\na.nl\n", Options{}, map[string][]string{"a.nl": nil}},
		"CSV": {"domain,Allowed Status\na.nl,premium\nb.nl,\"Reserved, premium\"\nc.nl,pending delete|auction\nd.nl,\n",
			Options{DefaultAllowStatus: []string{"Price", "price"}},
			map[string][]string{"a.nl": {"premium"}, "b.nl": {"premium", "reserved"}, "c.nl": {"auction", "pending delete"}, "d.nl": {"price"}}},
		"NDJSON": {`{"domain":"a.nl","allow_status":["premium"]}` + "\n" + `{"domain":"b.nl","allow_status":"premium;reserved"}` + "\n" + `{"domain":"c.nl"}`,
			Options{}, map[string][]string{"a.nl": {"premium"}, "b.nl": {"premium", "reserved"}, "c.nl": nil}},
		"lines": {"a.nl\nb.nl\n", Options{DefaultAllowStatus: []string{"premium"}}, map[string][]string{"a.nl": {"premium"}, "b.nl": {"premium"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.options.Kind, tt.options.DefaultHolderID = "register", "H1"
			reader := newReader(t, tt.text, tt.options)
			got, allowing := map[string][]string{}, 0
			for {
				record, err := reader.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if got[record.Domain.ASCII] = record.AllowStatus; record.AllowStatus != nil {
					allowing++
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if n := reader.Stats().Allowing; n != allowing {
				t.Errorf("%d lines allow something, want %d", n, allowing)
			}
		})
	}
}

func TestAllowStatusThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	_, err := NewReader(strings.NewReader("a.nl"), Options{Kind: "register", DefaultHolderID: "H1", DefaultAllowStatus: []string{strings.Repeat("x", 65)}})
	if err == nil || !strings.Contains(err.Error(), "an allowed status has a word that is longer than 64 bytes") {
		t.Errorf("got %v", err)
	}
	got := everything(t, newReader(t, "domain,allow_status\na.nl,"+strings.Repeat("x", 65)+"\nb.nl,premium\nb.nl,\nb.nl,premium\n",
		Options{Kind: "register", DefaultHolderID: "H1"}))
	want := []string{
		"line 2: allow_status has a word that is longer than 64 bytes: give words such as premium, separated by commas",
		"3 b.nl H1 12",
		`line 4: domain "b.nl" is already given by an earlier line with another allow_status or other name servers: keep the right one`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// WHOIS orders know nothing of it.
	reader := newReader(t, "domain,allow_status\na.nl,premium\n", Options{Kind: "whois"})
	if diff := cmp.Diff([]string{"2 a.nl"}, everything(t, reader)); diff != "" || len(reader.Stats().IgnoredColumns) != 1 {
		t.Errorf("-want +got:\n%s%v", diff, reader.Stats())
	}
}
