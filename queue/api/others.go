package api

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bulkreg/bulkreg/queue/api/view"
	"github.com/bulkreg/bulkreg/store/operator"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"
)

// A call is about jobs of several sources. What the registrar says of it as a whole may name their domains, which are nobody else's
// business: whatever looks like a domain and is not one's own is taken out of words before a source reads them.

// aDomain stands where a domain was that may be another source's.
const aDomain = "[a domain]"

// shortestEnd is how many letters the last part of a domain has at least.
const shortestEnd = 2

// ownWords are words of the registrar's about a job, without domains of others.
func ownWords(words string, j record.Job) string {
	return withoutDomains(words, j.Domain, j.DomainUnicode)
}

// withoutDomains takes what looks like a domain out of words, but for some.
func withoutDomains(words string, but ...string) string {
	if !strings.Contains(words, ".") {
		return words
	}
	var out strings.Builder
	for len(words) > 0 {
		n := strings.IndexFunc(words, func(r rune) bool { return !inName(r) })
		if n < 0 {
			n = len(words)
		}
		if name := words[:n]; isDomain(name) && !isOneOf(name, but) {
			trimmed := strings.TrimRight(name, ".-")
			out.WriteString(aDomain + name[len(trimmed):])
		} else {
			out.WriteString(name)
		}
		if words = words[n:]; words != "" {
			_, width := utf8.DecodeRuneInString(words)
			out.WriteString(words[:width])
			words = words[width:]
		}
	}
	return out.String()
}

func inName(r rune) bool {
	return r == '.' || r == '-' || unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)
}

// isDomain reports whether a word may be the name of a domain: it has parts, and the last one is of letters, or encoded.
func isDomain(word string) bool {
	word = strings.Trim(word, ".-")
	at := strings.LastIndexByte(word, '.')
	if at <= 0 {
		return false
	}
	end := word[at+1:]
	if strings.HasPrefix(strings.ToLower(end), "xn--") {
		return true
	}
	return utf8.RuneCountInString(end) >= shortestEnd && !strings.ContainsFunc(end, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) })
}

func isOneOf(name string, names []string) bool {
	name = strings.ToLower(strings.Trim(name, ".-"))
	for _, own := range names {
		if own = strings.ToLower(own); own != "" && (name == own || strings.HasSuffix(name, "."+own)) {
			return true
		}
	}
	return false
}

// ownJob is a job without domains of others in whatever the registrar said of it.
func ownJob(j record.Job) record.Job {
	j.LastError, j.WhoisStatus = ownWords(j.LastError, j), ownWords(j.WhoisStatus, j)
	return j
}

// jobOf is a job as its source sees it.
func jobOf(j record.Job) view.Job { return view.JobOf(ownJob(j)) }

// detailOf is a job, with all that is known of it, as its source sees it.
func detailOf(j record.Job, calls []orders.Call, readings []operator.RecordedReading, acts []operator.RecordedAct) view.JobDetail {
	for i := range calls {
		calls[i].Error, calls[i].Message = ownWords(calls[i].Error, j), ownWords(calls[i].Message, j)
	}
	for i := range readings {
		readings[i].Status = ownWords(readings[i].Status, j)
	}
	for i := range acts {
		acts[i].ErrorBefore = ownWords(acts[i].ErrorBefore, j)
	}
	return view.JobDetailOf(ownJob(j), calls, view.EvidenceOf(readings, acts))
}
