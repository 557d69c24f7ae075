package queue

import "fmt"

// Kind is what a task asks for. Each kind has a file of its own, which says what travels for it.
type Kind string

// Kinds lists every kind.
func Kinds() []Kind { return []Kind{Whois, Register, Token} }

// form is what differs in what travels from kind to kind.
type form struct {
	taskType string // the Asynq task type that carries its jobs
	about    about
}

// form is that of the kind; false: there is no such kind.
func (k Kind) form() (form, bool) {
	switch k {
	case Whois:
		return whoisForm(), true
	case Register:
		return registerForm(), true
	case Token:
		return tokenForm(), true
	}
	return form{}, false
}

// ParseKind reads a kind's name.
func ParseKind(s string) (Kind, error) {
	if _, known := Kind(s).form(); !known {
		return "", fmt.Errorf("unknown kind %q: one of whois, register, token", s)
	}
	return Kind(s), nil
}

// TaskType is the Asynq task type that carries jobs of this kind; "", which Asynq refuses, for what is no kind.
func (k Kind) TaskType() string {
	f, _ := k.form()
	return f.taskType
}

// OfPeople reports whether a job of this kind is about a person, and not about a domain.
func (k Kind) OfPeople() bool {
	f, _ := k.form()
	return f.about == aboutPeople
}
