package sandbox

import (
	"strconv"
	"strings"
)

// change is the results as a fault of results shows them, and whether that differs from the truth.
func (f Fault) change(results []result) ([]result, bool) {
	if len(results) == 0 {
		return results, false
	}
	n := max(f.Items, 1)
	switch f.Kind {
	case KindMissing:
		return append([]result{}, results[min(n, len(results)):]...), true
	case KindDoubled:
		return append(results, results[:min(n, len(results))]...), true
	case KindExtra:
		return append(results, extra(results[0], n)...), true
	}
	changed := 0
	for i := range results {
		if changed < n && f.distort(&results[i]) {
			changed++
		}
	}
	return results, changed > 0
}

// distort changes one result, and reports whether there was something to change.
func (f Fault) distort(r *result) bool {
	before := *r
	switch f.Kind {
	case KindUpper:
		r.Domain = strings.ToUpper(r.Domain)
	case KindUnicode:
		r.Domain = unicodeForm(r.Domain)
	case KindTaken, KindFree:
		free := f.Kind == KindFree
		if r.Available != nil && *r.Available == free {
			return false
		}
		*r = whoisResult(r.Domain, free)
	}
	return *r != before
}

// extra are results in the manner of one, for domains that nobody asked for. Such a registration is always one that
// succeeded.
func extra(like result, n int) []result {
	added := make([]result, n)
	if like.Status == statusFailed {
		like = result{Status: statusRegistered}
	}
	for i := range added {
		added[i] = like
		added[i].Domain = "nobody-asked-" + strconv.Itoa(i+1) + ".example"
	}
	return added
}
