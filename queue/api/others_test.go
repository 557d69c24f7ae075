package api

import (
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/store/record"
)

func TestWordsNameNoDomainsOfOthers(t *testing.T) {
	t.Parallel()
	own := record.Job{Domain: "xn--caf-dma.be", DomainUnicode: "café.be"}
	for words, want := range map[string]string{
		"": "", "refused": "refused", "no funds. Top up.": "no funds. Top up.", "took 1.5 s, version 2.10.3": "took 1.5 s, version 2.10.3",
		"invalid: hush-merger.nl is on our list":  "invalid: [a domain] is on our list",
		"café.be and XN--CAF-DMA.BE. are refused": "café.be and XN--CAF-DMA.BE. are refused",
		"(www.café.be)": "(www.café.be)",
		"Hush.NL, also hush.co.uk; bücher.example.": "[a domain], also [a domain]; [a domain].",
		"<hush.xn--p1ai>": "<[a domain]>",
		"not-café.be":     "[a domain]",
		"...":             "...",
		".nl":             ".nl",
	} {
		if got := ownWords(words, own); got != want {
			t.Errorf("%q became %q, want %q", words, got, want)
		}
	}
}

func FuzzWithoutDomains(f *testing.F) {
	f.Add("invalid: hush-merger.nl is on our list", "mine.nl")
	f.Add("\xff.nl..", "")
	f.Fuzz(func(t *testing.T, words, own string) {
		got := withoutDomains(words, own)
		if again := withoutDomains(got, own); again != got {
			t.Errorf("%q became %q, and then %q", words, got, again)
		}
		if strings.Contains(words, "hush.nl ") && own == "" && strings.Contains(got, "hush.nl ") {
			t.Errorf("%q became %q", words, got)
		}
	})
}
