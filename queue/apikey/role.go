package apikey

import "fmt"

// Role is what a key may do. Each role may do what those before it may.
type Role string

// The roles.
const (
	Read    Role = "read"    // look at orders, jobs, events and holds
	Submit  Role = "submit"  // order
	Operate Role = "operate" // confirm, retry, cancel, pause and resume
)

// Roles lists the roles, from the one that may do least on.
func Roles() []Role { return []Role{Read, Submit, Operate} }

// ParseRole reads a role.
func ParseRole(text string) (Role, error) {
	if r := Role(text); r.rank() > 0 {
		return r, nil
	}
	return "", fmt.Errorf("%q is no role: read, submit or operate", text)
}

// May reports whether a role is enough where another one is needed.
func (r Role) May(needed Role) bool { return needed.rank() > 0 && r.rank() >= needed.rank() }

// rank is 0 for what is no role.
func (r Role) rank() int {
	for i, role := range Roles() {
		if r == role {
			return i + 1
		}
	}
	return 0
}
