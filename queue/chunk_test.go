package queue_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/queue"
)

var someID = uuid.MustParse("0190a8f4-6f2c-7c3e-8b1a-2f5d3c4b5a69")

func epoch(n int) *int { return &n }

// delivered is a chunk as a dispatcher makes it, own is one as a producer does.
func delivered() queue.Chunk {
	return queue.Chunk{Order: "r-1", Source: "shop", Account: "default", Jobs: []queue.Job{
		{ID: someID, Domain: "example.nl", Epoch: epoch(0)},
		{ID: someID, Domain: "example.be", Epoch: epoch(7)},
	}}
}

func own() queue.Chunk {
	return queue.Chunk{Order: "r-1", Source: "shop", Account: "partner", Jobs: []queue.Job{
		{Domain: "example.nl", HolderID: "H-1", PeriodMonths: 24, Nameservers: []string{"ns1.test", "ns2.test"}},
		{ID: someID, Domain: "example.be"},
	}}
}

// The payload is an interface: other languages write it, and tasks outlive the worker that wrote them.
func TestPayloadStaysAsItIs(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]queue.Chunk{
		`{"v":1,"order":"r-1","source":"shop","account":"default","jobs":[` +
			`{"id":"0190a8f4-6f2c-7c3e-8b1a-2f5d3c4b5a69","domain":"example.nl","epoch":0},` +
			`{"id":"0190a8f4-6f2c-7c3e-8b1a-2f5d3c4b5a69","domain":"example.be","epoch":7}]}`: delivered(),
		`{"v":1,"order":"r-1","source":"shop","account":"partner","jobs":[` +
			`{"domain":"example.nl","holder_id":"H-1","period":24,"nameservers":["ns1.test","ns2.test"]},` +
			`{"id":"0190a8f4-6f2c-7c3e-8b1a-2f5d3c4b5a69","domain":"example.be"}]}`: own(),
	} {
		payload, err := c.Encode()
		if err != nil || string(payload) != want {
			t.Errorf("payload %s, %v; want %s", payload, err, want)
		}
		got, err := queue.DecodeChunk(payload)
		c.Version = 1
		if diff := cmp.Diff(c, got); diff != "" || err != nil {
			t.Errorf("decoded (-want +got):\n%s%v", diff, err)
		}
	}
}

func TestFreshChunksAreProducersOwn(t *testing.T) {
	t.Parallel()
	if delivered().FromProducer() || !own().FromProducer() || (queue.Chunk{}).FromProducer() {
		t.Errorf("delivered %v, own %v, empty %v", delivered().FromProducer(), own().FromProducer(), queue.Chunk{}.FromProducer())
	}
}

func TestDecodeChunkFillsIn(t *testing.T) {
	t.Parallel()
	for name, payload := range map[string]string{
		"the least":        `{"order":"r","source":"s","jobs":[{"domain":"a.nl"}]}`,
		"with white space": " \n{\"order\":\"r\",\"source\":\"s\",\"jobs\":[{\"domain\":\"a.nl\"}]}\n ",
		"of version 0":     `{"v":0,"order":"r","source":"s","account":"","jobs":[{"domain":"a.nl"}]}`,
		"with nulls":       `{"v":null,"order":"r","source":"s","account":null,"jobs":[{"id":null,"domain":"a.nl","nameservers":null,"epoch":null}]}`,
		"with escapes":     `{"order":"\u0072","source":"s","jobs":[{"domain":"a\u002enl"}]}`,
	} {
		want := queue.Chunk{Order: "r", Source: "s", Account: "default", Jobs: []queue.Job{{Domain: "a.nl"}}}
		if got, err := queue.DecodeChunk([]byte(payload)); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// changed is a valid chunk with one thing changed.
func changed(change func(*queue.Chunk)) queue.Chunk {
	c := delivered()
	change(&c)
	return c
}

func manyJobs(n, domainBytes int) []queue.Job {
	jobs := make([]queue.Job, n)
	for i := range jobs {
		jobs[i] = queue.Job{Domain: strings.Repeat("a", domainBytes)}
	}
	return jobs
}

func TestEncodeRefuses(t *testing.T) {
	t.Parallel()
	for reason, c := range map[string]queue.Chunk{
		"no jobs":                     changed(func(c *queue.Chunk) { c.Jobs = nil }),
		"1001 jobs, at most 1000":     changed(func(c *queue.Chunk) { c.Jobs = manyJobs(1001, 4) }),
		"order is empty":              changed(func(c *queue.Chunk) { c.Order = "" }),
		"order is longer than 128":    changed(func(c *queue.Chunk) { c.Order = strings.Repeat("x", 129) }),
		"order has spaces around it":  changed(func(c *queue.Chunk) { c.Order = "r " }),
		"order has a character that":  changed(func(c *queue.Chunk) { c.Order = "r\x00" }),
		"source is empty":             changed(func(c *queue.Chunk) { c.Source = "" }),
		"source is longer than 64":    changed(func(c *queue.Chunk) { c.Source = strings.Repeat("x", 65) }),
		"source has a character":      changed(func(c *queue.Chunk) { c.Source = "a\nb" }),
		"account is empty":            changed(func(c *queue.Chunk) { c.Account = "" }),
		"account is longer than 64":   changed(func(c *queue.Chunk) { c.Account = strings.Repeat("x", 65) }),
		"job 0: domain is empty":      changed(func(c *queue.Chunk) { c.Jobs[0].Domain = "" }),
		"job 1: domain is":            changed(func(c *queue.Chunk) { c.Jobs[1].Domain = strings.Repeat("x", 254) }),
		"job 1: either every job has": changed(func(c *queue.Chunk) { c.Jobs[1].Epoch = nil }),
		"job 1: either every":         changed(func(c *queue.Chunk) { c.Jobs[0].Epoch = nil }),
		"job 0: allow_status has a":   changed(func(c *queue.Chunk) { c.Jobs[0].AllowStatus = []string{""} }),
		"job 0: an epoch is not":      changed(func(c *queue.Chunk) { c.Jobs[0].Epoch = epoch(-1) }),
		"job 1: an epoch is not":      changed(func(c *queue.Chunk) { c.Jobs[1].ID = uuid.Nil }),
		"1048576":                     changed(func(c *queue.Chunk) { c.Jobs = manyJobs(1000, 4); c.Jobs[9].HolderID = strings.Repeat("x", 1<<20) }),
		"has a character that cannot": changed(func(c *queue.Chunk) { c.Account = "\u202e" }),
		"order has spaces around it ": changed(func(c *queue.Chunk) { c.Order = "\tr" }),
	} {
		payload, err := c.Encode()
		var bad *queue.PayloadError
		if !errors.As(err, &bad) || payload != nil || !strings.Contains(err.Error(), strings.TrimSpace(reason)) || !strings.HasPrefix(err.Error(), "invalid chunk: ") {
			t.Errorf("%s: encoded %d bytes, %v", reason, len(payload), err)
		}
	}
}

func TestDecodeChunkRefuses(t *testing.T) {
	t.Parallel()
	for payload, reason := range map[string]string{
		``:                      "not JSON",
		`null`:                  "no jobs",
		`[]`:                    "not JSON of the expected form",
		`{"jobs":`:              "not JSON",
		`{"order":"r"}{}`:       "something follows",
		`{"order":"r"} garbage`: "something follows",
		`{"v":2,"order":"r","source":"s","jobs":[{"domain":"a.nl"}]}`:                         "version 2, this worker knows 1: run a newer worker",
		`{"order":"r","source":"s","jobs":[]}`:                                                "no jobs",
		`{"order":"r","source":"s","jobs":[null]}`:                                            "domain is empty",
		`{"order":"r","source":"s","jobs":[{"domain":7}]}`:                                    "not JSON of the expected form",
		`{"order":"r","source":"s","jobs":[{"domain":"a.nl","id":"x"}]}`:                      "not JSON of the expected form",
		`{"order":"r","source":"s","jobs":[{"domain":"a.nl","epoch":1}]}`:                     "comes with an id",
		`{"order":"r","source":"s","jobs":[{"domain":"a.nl","epoch":1.5}]}`:                   "not JSON of the expected form",
		`{"order":"r","jobs":[{"domain":"a.nl"}]}`:                                            "source is empty",
		`{"order":"r","source":"s","jobs":[{"domain":"` + strings.Repeat("a", 254) + `"}]}`:   "longer than 253",
		`{"order":"` + strings.Repeat("é", 65) + `","source":"s","jobs":[{"domain":"a.nl"}]}`: "order is longer than 128 bytes",
		strings.Repeat(" ", queue.MaxPayloadBytes+1):                                          "1048577 bytes, at most 1048576",
	} {
		c, err := queue.DecodeChunk([]byte(payload))
		var bad *queue.PayloadError
		if !errors.As(err, &bad) || !strings.Contains(bad.Reason, reason) || !cmp.Equal(c, queue.Chunk{}) {
			t.Errorf("%.80s: %+v, %v; want %q", payload, c, err, reason)
		}
	}
}

// Some change what a payload means between two readers of it, the rest is from another program or of another time.
func TestDecodeChunkIsStrict(t *testing.T) {
	t.Parallel()
	const job, secret = `"jobs":[{"domain":"a.nl"}]`, "jan@example.nl"
	for payload, reason := range map[string]string{
		`{"order":"r","source":"s","priority":9,` + job + `}`:                            `unknown field "priority"`,
		`{"order":"r","source":"s","x":{"y":[{}]},` + job + `}`:                          `unknown field "x"`,
		`{"order":"r","source":"s","` + secret + `":1,` + job + `}`:                      "unknown field",
		`{"order":"r","source":"s","` + strings.Repeat("x", 99) + `":1,` + job + `}`:     "unknown field",
		`{"order":"r","source":"s","":1,` + job + `}`:                                    "unknown field",
		`{"order":"r","source":"s","jobs":[{"domain":"a.nl"},{"domain":"b.nl","v":1}]}`:  `unknown field "v"`,
		`{"order":"r","source":"s","jobs":[{"domain":"a.nl","order":"r"}]}`:              `unknown field "order"`,
		`{"order":"r","source":"s","order":"r",` + job + `}`:                             "field order is given twice",
		`{"order":"r","source":"s",` + job + `,"source":"s"}`:                            "field source is given twice",
		`{"order":"r","source":"s",` + job + `,` + job + `}`:                             "field jobs is given twice",
		`{"order":"r","source":"s","jobs":[{"domain":"a.nl","domain":"b.nl"}]}`:          "field domain is given twice",
		`{"order":"r","source":"s","jobs":[{"domain":"a.nl","Domain":"b.nl"}]}`:          `unknown field "Domain"`,
		`{"order":"r","source":"s","ſource":"t",` + job + `}`:                            "unknown field",
		`{"order":"r","source":"s","\u006frder":"t",` + job + `}`:                        "unknown field",
		`{"order":"r","source":"s",` + job + `,"v":2,"jobs":7}`:                          "version 2, this worker knows 1: run a newer worker",
		`{"v":2,"jobs":[{"id":"x"}]}`:                                                    "version 2, this worker knows 1: run a newer worker",
		`{"v":-1,"order":"r","source":"s",` + job + `}`:                                  "version -1, this worker knows 1",
		`{"v":"1","order":"r","source":"s",` + job + `}`:                                 "not JSON of the expected form: v cannot be this string",
		`{"v":1` + strings.Repeat("0", 999) + `}`:                                        "not JSON of the expected form: v cannot be this number",
		`{"order":{"x":1},"source":"s",` + job + `}`:                                     "not JSON of the expected form: order cannot be this object",
		`{"order":"r","source":"s","jobs":{"domain":"a.nl"}}`:                            "not JSON of the expected form: jobs cannot be this object",
		"{\"order\":\"r\xff\",\"source\":\"s\"," + job + "}":                             "not UTF-8",
		"{\"order\":\"r\",\"source\":\"s\",\"jobs\":[{\"domain\":\"\xed\xa0\x80.nl\"}]}": "not UTF-8",
		`{"order":"r\ud800","source":"s",` + job + `}`:                                   "half of a surrogate pair",
		`{"order":"r\udc00","source":"s",` + job + `}`:                                   "half of a surrogate pair",
		`{"order":"r\ud800\ud800","source":"s",` + job + `}`:                             "half of a surrogate pair",
		`{"order":"r\ud800\\udc00","source":"s",` + job + `}`:                            "half of a surrogate pair",
		`{"order":"r","source":"s",` + job + `}{"order":"r"}`:                            "something follows",
		`{"` + secret + `":`: "not JSON",
	} {
		c, err := queue.DecodeChunk([]byte(payload))
		var bad *queue.PayloadError
		if !errors.As(err, &bad) || !strings.Contains(bad.Reason, reason) || !cmp.Equal(c, queue.Chunk{}) {
			t.Errorf("%.80s: %+v, %v; want %q", payload, c, err, reason)
			continue
		}
		if strings.Contains(bad.Reason, secret) || len(bad.Reason) > 100 {
			t.Errorf("%.80s: the reason shows too much: %v", payload, bad)
		}
		if bad.UnknownVersion != strings.Contains(reason, "this worker knows") {
			t.Errorf("%.80s: unknown version: %v", payload, bad.UnknownVersion)
		}
	}
	whole := `{"order":"\ud83d\ude00 \\ud800 \"ud800","source":"s","jobs":[{"domain":"a.nl"}]}`
	if c, err := queue.DecodeChunk([]byte(whole)); err != nil || c.Order != `😀 \ud800 "ud800` {
		t.Errorf("%q, %v", c.Order, err)
	}
}

func TestChunkBoundsAreIncluded(t *testing.T) {
	t.Parallel()
	c := queue.Chunk{
		Order: strings.Repeat("r", 128), Source: strings.Repeat("s", 64), Account: strings.Repeat("a", 64),
		Jobs: manyJobs(queue.MaxJobs, 253),
	}
	payload, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	padded := append(payload, []byte(strings.Repeat(" ", queue.MaxPayloadBytes-len(payload)))...)
	if got, err := queue.DecodeChunk(padded); err != nil || len(got.Jobs) != queue.MaxJobs {
		t.Errorf("decoded %d jobs, %v", len(got.Jobs), err)
	}
}

func TestCheckName(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		"r": true, "order 7/2026, für Käse": true, strings.Repeat("x", 10): true, "日本": true,
		"": false, strings.Repeat("x", 11): false, " r": false, "r\n": false, "a\tb": false, "a\x7fb": false, "\u200b": false, "a\u00a0b": false,
	} {
		limit := 10
		if ok {
			limit = max(limit, len(name))
		}
		if err := queue.CheckName(name, limit); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// FuzzDecodeChunk feeds payloads as anybody who can write to Redis could.
func FuzzDecodeChunk(f *testing.F) {
	for _, c := range []queue.Chunk{delivered(), own(), people()} {
		payload, err := c.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(payload)
		f.Add(payload[:len(payload)/2])
		f.Add(append(payload, '}'))
	}
	for _, payload := range []string{
		``, `null`, `{}`, `[[[[[[`, `{"jobs":[null]}`, `{"order":"r","source":"s","jobs":[{"domain":"\u0000<>&\ud800"}]}`,
		`{"v":-1,"order":"r","source":"s","jobs":[{"domain":"a"}]}`, `{"v":1e400}`, "{\"order\":\"\xff\",\"source\":\"s\",\"jobs\":[{\"domain\":\"\xff\"}]}",
		`{"order":"r","source":"s","jobs":[{"domain":"a","id":"{0190a8f4-6f2c-7c3e-8b1a-2f5d3c4b5a69}","epoch":0}]}`,
		`{"order":"r","source":"s","jobs":[{"domain":"a","period":-9223372036854775808,"nameservers":[""]}]}`,
		`{"order":"r","source":"s","Source":"t","jobs":[{"domain":"a","domain":"b"}]}`, `{"jobs":[{"domain":"\ud83d\ude00"},[{"jobs":[{}]}]],"jobs":1}`,
		`{"order":"\"r\\","source":"{\"jobs\":[","jobs":[{"domain":"a","nameservers":["}",",","\"order"]}],"x":{"y":1}}`,
	} {
		f.Add([]byte(payload))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		c, err := queue.DecodeChunk(payload)
		if err != nil {
			var bad *queue.PayloadError
			if !errors.As(err, &bad) || !cmp.Equal(c, queue.Chunk{}) {
				t.Fatalf("%+v, %#v", c, err)
			}
			return
		}
		if why := lax(payload); why != "" {
			t.Fatalf("%s, and yet decoded: %.300q", why, payload)
		}
		if len(c.Jobs) == 0 || len(c.Jobs) > queue.MaxJobs || len(c.Order) > 128 || len(c.Source) > 64 || len(c.Account) > 64 {
			t.Fatalf("past its bounds: %.200s", fmt.Sprint(c))
		}
		for _, j := range c.Jobs {
			if (j.Domain == "") != (c.CheckKind(queue.Token) == nil) || len(j.Domain) > 253 || (j.Epoch == nil) != c.FromProducer() || j.Epoch != nil && (*j.Epoch < 0 || j.ID == uuid.Nil) {
				t.Fatalf("job %+v", j)
			}
		}
		if len(payload) > queue.MaxPayloadBytes/6 {
			return // JSON escapes may take six bytes where the payload had one
		}
		again, err := c.Encode()
		if err != nil {
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
		back, err := queue.DecodeChunk(again)
		c.Version = 1
		for i := range c.Jobs { // an empty list is left out
			if len(c.Jobs[i].Nameservers) == 0 {
				c.Jobs[i].Nameservers = nil
			}
		}
		if diff := cmp.Diff(c, back); diff != "" || err != nil {
			t.Fatalf("encoded and decoded (-want +got):\n%s%v", diff, err)
		}
	})
}

// lax finds what must not be in a payload that was decoded, by another way: the tokens of encoding/json.
func lax(payload []byte) string {
	if !utf8.Valid(payload) {
		return "not UTF-8"
	}
	known := [][]string{{"v", "order", "source", "account", "jobs"}, {"id", "domain", "holder_id", "period", "nameservers", "allow_status",
		"email", "originator", "languageCode", "firstname", "lastname", "privacyConsent", "epoch"}}
	dec := json.NewDecoder(bytes.NewReader(payload))
	var object func(depth int) string
	value := func(token json.Token, depth int) string {
		switch token {
		case json.Delim('{'):
			return object(depth)
		case json.Delim('['):
			for dec.More() {
				if token, _ := dec.Token(); token == json.Delim('{') {
					if why := object(depth); why != "" {
						return why
					}
				}
			}
			_, _ = dec.Token()
		}
		return ""
	}
	object = func(depth int) string {
		seen := map[string]bool{}
		for dec.More() {
			key, _ := dec.Token()
			name, _ := key.(string)
			switch {
			case depth >= len(known) || !slices.Contains(known[depth], name):
				return "unknown field " + name
			case seen[name]:
				return "twice " + name
			}
			seen[name] = true
			token, _ := dec.Token()
			if why := value(token, depth+1); why != "" {
				return why
			}
		}
		_, _ = dec.Token()
		return ""
	}
	token, _ := dec.Token()
	return value(token, 0)
}
