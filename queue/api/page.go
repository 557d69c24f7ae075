package api

import (
	"context"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unicode"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/store/record"
)

// Page is which part of a list is wanted.
type Page struct {
	Cursor string `query:"cursor" maxLength:"32" doc:"Where the page begins: next_cursor of the page before"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many at most"`
}

const defaultPage = 100

func (p Page) limit() int {
	if p.Limit == 0 {
		return defaultPage
	}
	return p.Limit
}

// after is the number that the cursor stands for, 0 for none.
func (p Page) after() (int64, error) { return p.afterBelow(math.MaxInt64) }

// afterBelow is after of a list whose numbers are no greater than most.
func (p Page) afterBelow(most int64) (int64, error) {
	if p.Cursor == "" {
		return 0, nil
	}
	after, err := strconv.ParseInt(p.Cursor, 10, 64)
	if err != nil || after < 0 || after > most {
		problem := kindInvalid.problem("The cursor cannot be used.")
		problem.add(Fault{Location: "query.cursor", Message: "is no cursor: give next_cursor of the page before, as it came"})
		return 0, problem
	}
	return after, nil
}

// OrderPath is the order that a path means.
type OrderPath struct {
	Reference string `path:"reference" maxLength:"384" doc:"The order's reference; a slash in it is written %2F" example:"2026-000123"`
}

// order finds an order of the caller's source.
func (a *API) order(ctx context.Context, reference string) (record.Order, error) {
	if err := queue.CheckName(reference, queue.MaxReference); err != nil {
		p := kindInvalid.problem("The reference cannot be used.")
		p.add(Fault{Location: "path.reference", Message: err.Error()})
		return record.Order{}, p
	}
	return a.options.Store.Orders.Find(ctx, callerOf(ctx).Source, reference)
}

// keptOrder is order for whoever wants its jobs: an order whose jobs are not kept any more has none to show, or to act on.
func (a *API) keptOrder(ctx context.Context, reference string) (record.Order, error) {
	o, err := a.order(ctx, reference)
	if err == nil {
		err = o.Kept()
	}
	return o, err
}

// typeOf is a type, for the document.
func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

func statusText(status int) string { return strconv.Itoa(status) }

// shown is a text from outside, bounded and fit for an answer.
func shown(text string) string {
	const most = 80
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}
