package config

import (
	"regexp"
	"strings"
)

// Use is which settings a command reads. What is wrong with any other is nothing to it: a listing of orders goes on whatever a
// worker's settings are.
type Use uint8

// The uses of settings. A worker reads all of them.
const (
	UseStore     Use = 1 << iota // the database
	UseOrders                    // accepting orders
	UseRegistrar                 // calls to the registrar
	UseAPI                       // the HTTP API
	UseWorker
	UseAll = UseStore | UseOrders | UseRegistrar | UseAPI | UseWorker
)

// useOf reads the tag use.
func useOf(tag string) Use {
	use := UseWorker
	for word := range strings.SplitSeq(tag, ",") {
		switch word {
		case "store":
			use |= UseStore
		case "orders":
			use |= UseOrders
		case "registrar":
			use |= UseRegistrar
		case "api":
			use |= UseAPI
		}
	}
	return use
}

// concerns reports whether a use reads a variable, which may be the one that names a file.
func (u Use) concerns(variable string) bool {
	if strings.HasPrefix(variable, accountPrefix) {
		return u&(UseRegistrar|UseWorker) != 0
	}
	for _, f := range Fields() {
		if f.Variable == strings.TrimSuffix(variable, "_FILE") {
			return u&f.use != 0
		}
	}
	return u&UseWorker != 0
}

// VariableOf is the variable that a problem is about, "" if it does not begin with one.
func VariableOf(problem string) string { return leading.FindString(problem) }

// leading is the variable that a problem begins with.
var leading = regexp.MustCompile(`^[A-Z][A-Z0-9_]*`)
