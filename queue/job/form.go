package job

import (
	"fmt"

	"github.com/bulkreg/bulkreg/queue"
)

// form is what the jobs of a kind are made of. Each kind has it in a file of its own.
type form struct {
	check   func(Rules, Fields) (Job, error) // see Rules.Check
	subject func(Job) string                 // what the job is known by, in its order and kind
}

// formOf is that of a kind.
func formOf(kind queue.Kind) (form, error) {
	switch kind {
	case queue.Whois:
		return whoisForm(), nil
	case queue.Register:
		return registerForm(), nil
	case queue.Token:
		return tokenForm(), nil
	}
	return form{}, fmt.Errorf("check job: there is no kind %q", kind)
}

// Subject is what a job of a kind is known by: its domain in ASCII, or for a person queue.Subject. "" for what is no kind.
func (j Job) Subject(kind queue.Kind) string {
	form, err := formOf(kind)
	if err != nil {
		return ""
	}
	return form.subject(j)
}

func domainOf(j Job) string { return j.Domain.ASCII }
