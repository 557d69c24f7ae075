package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/bulkreg/bulkreg/queue/intake/spelling"
)

// guarded are the beginnings of names that hardly anything but bulkreg uses. A name that comes close to one of our
// variables with such a beginning is taken for a slip: it would change nothing, in silence.
var guarded = [...]string{
	"REGISTRAR_", "REGISTER_", "WHOIS_", "RECONCILE_", "UPSTREAM_", "PAYMENT_", "RETRY_", "DATABASE_MAX_", "TERMINATION_GRACE_", "EXTRA_SUFFIXES",
	"PRODUCER_KEYS", "PMG_ACCESS_", "PMG_TOKEN_", "TOKEN_CONCURRENCY", "TOKEN_ENCRYPTION_", "TOKEN_LANGUAGES",
}

// ours are the beginnings of names that nothing but bulkreg uses, and serviceLink what Kubernetes puts behind the name of a
// service, which may be one of them.
var (
	ours        = regexp.MustCompile(`^(REGISTRAR|REGISTER|RECONCILE|PAYMENT_PROBE|EXTRA_SUFFIX)_`)
	serviceLink = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT|PORT_[0-9]+_.*)$`)
)

// unknown reports variables that look like misspelt ones, with the setting that each comes closest to. Names that resemble none
// pass: other programs may have put them there, or the version after this one reads them. Of these it gives the ones that are
// worth a warning.
func (p *problems) unknown(vars map[string]string) (strays []string) {
	names := map[string]bool{}
	for _, f := range Fields() {
		names[f.Variable] = true
		if f.File {
			names[f.Variable+"_FILE"] = true
		}
	}
	known := slices.Sorted(maps.Keys(names))
	for _, variable := range slices.Sorted(maps.Keys(vars)) {
		if names[variable] || strings.HasPrefix(variable, accountPrefix) {
			continue // accounts have numbers in their names and are checked by them
		}
		if meant := closest(variable, known); meant != "" {
			p.addOf(meant, fmt.Sprintf("%s is no setting: did you mean %s?", variable, meant))
		} else if ours.MatchString(variable) && !serviceLink.MatchString(variable) {
			strays = append(strays, variable)
		}
	}
	return strays
}

// closest is the guarded name that variable was meant for, "" if it resembles none.
func closest(variable string, known []string) string {
	known = slices.DeleteFunc(slices.Clone(known), func(name string) bool {
		return !slices.ContainsFunc(guarded[:], func(prefix string) bool { return strings.HasPrefix(name, prefix) })
	})
	return spelling.Closest(variable, known)
}
