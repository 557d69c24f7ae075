package main

import (
	"context"
	"io"
	"iter"
	"net/http"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/queue/intake"
	"github.com/bulkreg/bulkreg/worker/registrar"
)

// Of a holder that a dry run has looked up.
const (
	holderFound   = "found"
	holderMissing = "not found" // an id that no domain can be registered with, or somebody who would be created
	holderUnknown = "unknown"   // the registrar gave no answer
)

// foundHolder is what the registrar says of the holders of an order. Those that come with their details have no id here, and are
// counted: who they are is not printed.
type foundHolder struct {
	ID      string `json:"id,omitempty"`
	Result  string `json:"result"`
	Holders int    `json:"holders,omitempty"` // so many of those with details
	Error   string `json:"error,omitempty"`
}

// finder is what looking up holders asks of the registrar.
type finder interface {
	FindHolder(ctx context.Context, search registrar.HolderSearch) (registrar.HolderReply, error)
}

var _ finder = (*registrar.Client)(nil)

// maxLookUps is how many holders of an order are looked up: one call each, one after another.
const maxLookUps = 1000

// lookUpHolders asks the registrar for each holder of an order once: by id, or by the e-mail address of the details.
func lookUpHolders(ctx context.Context, upstream finder, all iter.Seq2[intake.WantedHolder, error], notes io.Writer) ([]foundHolder, error) {
	found := []foundHolder{}
	byDetails := map[string]int{}
	asked, passed := 0, 0
	for wanted, err := range all {
		if err != nil {
			return nil, err
		}
		if asked == maxLookUps {
			passed++
			continue
		}
		asked++
		one := lookUpHolder(ctx, upstream, wanted)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if wanted.Details != nil {
			byDetails[one.Result]++
			continue
		}
		found = append(found, one)
	}
	for _, result := range []string{holderFound, holderMissing, holderUnknown} {
		if n := byDetails[result]; n > 0 {
			found = append(found, foundHolder{Result: result, Holders: n})
		}
	}
	if passed > 0 {
		say(notes, "%s were looked up, and %s not\n", term.Counted(asked, "holder", "holders"), term.Thousands(passed))
	}
	return found, nil
}

func lookUpHolder(ctx context.Context, upstream finder, wanted intake.WantedHolder) foundHolder {
	search := registrar.HolderSearch{ID: wanted.ID}
	if d := wanted.Details; d != nil {
		search = registrar.HolderSearch{Email: d.Email, Known: registrar.Holder{
			Company: d.Company, FirstName: d.FirstName, LastName: d.LastName, Email: d.Email, Phone: d.Phone, Street: d.Street,
			HouseNumber: d.HouseNumber, PostalCode: d.PostalCode, City: d.City, Country: d.Country,
		}}
	}
	one := foundHolder{ID: wanted.ID, Result: holderFound}
	reply, err := upstream.FindHolder(ctx, search)
	switch {
	case err == nil:
	case reply.Status == http.StatusNotFound:
		one.Result = holderMissing
	default:
		one.Result, one.Error = holderUnknown, err.Error()
	}
	return one
}

// printFoundHolders prints them for people, if there are any.
func printFoundHolders(w io.Writer, found []foundHolder) error {
	if len(found) == 0 {
		return nil
	}
	t := newTable(w)
	for _, one := range found {
		who := one.ID
		if who == "" {
			who = term.Counted(one.Holders, "given by details", "given by details")
		}
		words := one.Result
		switch {
		case one.Result == holderMissing && one.ID == "":
			words = "to be created"
		case one.Result == holderMissing:
			words = "not found: their domains cannot be registered"
		case one.Error != "":
			words += ": " + one.Error
		}
		t.row("Holder", who, words)
	}
	return t.end()
}
