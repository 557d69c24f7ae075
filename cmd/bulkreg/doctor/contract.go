package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bulkreg/bulkreg/worker/registrar"
	"github.com/bulkreg/bulkreg/worker/registrar/shape"
)

// Where a wrong name is corrected.
const (
	doFields = "compare it with the registrar's documentation, and correct the name in worker/registrar/wire.go"
	doUnread = "see in the registrar's documentation what it says; where it tells what bulkreg has to know, such as a price, have worker/registrar/wire.go read it"
	doErrors = "compare it with the registrar's documentation: holds and refusals show its words"
)

// Contract says in which fields the replies to an account differ from the contract, and which of those that could be used differ in none.
func (r *Report) Contract(account string, used []registrar.Op, differences []registrar.Difference) {
	for _, d := range differences {
		r.difference(account, d)
	}
	for _, op := range used {
		if !slices.ContainsFunc(differences, func(d registrar.Difference) bool { return d.Op == op }) {
			r.Say(Registrar, OK, "", "account %s: %s has every field of the contract, and no other", account, replyOf(op))
		}
	}
}

func (r *Report) difference(account string, d registrar.Difference) {
	at := replyOf(d.Op)
	switch {
	case d.Error:
		at = "the error in " + at
	case d.In != "":
		at = "an item of " + d.In + " in " + at
	}
	health, do := Warn, doFields
	if d.Grave && !d.Error {
		health = Fail
	}
	if d.Error {
		do = doErrors
	}
	var words string
	switch d.Problem {
	case shape.Missing:
		words = "lacks the field " + d.Field + consequence(d)
		if d.Like != "" {
			words += fmt.Sprintf("; perhaps it is called %s there", d.Like)
		}
	case shape.Wrong:
		words = fmt.Sprintf("has %s in the field %s, where %s is read", d.Is, d.Field, kinds(d.Want))
	case shape.Unknown:
		words, do = fmt.Sprintf("has the field %s (%s), which nobody reads", d.Field, value(d.Is)), doUnread
	}
	r.Say(Registrar, health, do, "account %s: %s %s", account, at, words)
}

// consequence is what follows where a field is missing.
func consequence(d registrar.Difference) string {
	switch {
	case d.Error:
		return ""
	case d.Grave:
		return ", without which it cannot be used"
	}
	return ": what the registrar calls premium or reserved may go unnoticed"
}

func replyOf(op registrar.Op) string {
	if op == registrar.OpAuthenticate {
		return "the reply with a token"
	}
	return "the reply to a WHOIS check"
}

func kinds(of []shape.Kind) string {
	words := make([]string, len(of))
	for i, k := range of {
		words[i] = string(k)
	}
	return strings.Join(words, " or ")
}

func value(is shape.Kind) string {
	if is == "" {
		return "null"
	}
	return string(is)
}
