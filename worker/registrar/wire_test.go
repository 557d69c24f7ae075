package registrar

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkreg/bulkreg/worker/upstream"
)

func TestDecodeChecks(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]Check{
		"checks": {
			{Domain: "taken.nl", Availability: Taken, Status: "active"},
			{Domain: "free.nl", Availability: Available, Status: "free"},
			{Domain: "silent.nl", Availability: Unknown},
			{Domain: "broken.nl", Availability: Unknown, Error: "registry did not answer"},
			{Domain: "both.nl", Availability: Unknown, Error: "stale"},
		},
		"checks-odd-item": {
			{Domain: "odd.nl", Availability: Unknown, Error: "unreadable item in the reply"},
			{Domain: "free.nl", Availability: Available},
			{Availability: Unknown, Error: "unreadable item in the reply"},
		},
	} {
		got, err := decodeChecks(fixtureBody(t, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// What calls a domain available and active at once has not said that it is free.
func TestCheckThatContradictsItself(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]Availability{
		`{"domain":"a.nl","available":true,"status":"free"}`:              Available,
		`{"domain":"a.nl","available":true,"status":"somehow"}`:           Available,
		`{"domain":"a.nl","available":true,"status":"Active"}`:            Unknown,
		`{"domain":"a.nl","available":true,"status":"quarantine"}`:        Available, // and barred
		`{"domain":"a.nl","available":true,"status":["premium","taken"]}`: Unknown,
		`{"domain":"a.nl","available":true,"reason":"In use"}`:            Unknown,
		`{"domain":"a.nl","available":false,"status":"quarantine"}`:       Taken,
		`{"domain":"a.nl","available":false,"status":"free"}`:             Unknown,
		`{"domain":"a.nl","available":false,"status":"Available"}`:        Unknown,
	} {
		checks, err := decodeCheck([]byte(body))
		if err != nil || checks[0].Availability != want {
			t.Errorf("%s: %+v, %v, want %s", body, checks, err, want)
		} else if (want == Unknown) != (checks[0].Error != "") {
			t.Errorf("%s: error %q", body, checks[0].Error)
		}
	}
}

func TestDecodeRegistrations(t *testing.T) {
	t.Parallel()
	want := []Result{
		{Domain: "b.nl", Outcome: Failed, StatusCode: 422, Message: "already registered"},
		{Domain: "a.nl", Outcome: Registered},
		{Domain: "c.nl", Outcome: Accepted, Message: "status pending"},
		{Domain: "d.nl", Outcome: OutcomeUnknown, StatusCode: 500},
	}
	got, err := decodeRegistrations(fixtureBody(t, "registers"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOneItem(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]Outcome{
		`{"domain":"a.nl","status":"registered"}`:                          Registered,
		`{"domain":"a.nl","status":"Registered","statusCode":201}`:         Registered,
		`{"domain":"a.nl","status":"failed","statusCode":422}`:             Failed,
		`{"domain":"a.nl","status":"failed"}`:                              Failed,
		`{"domain":"a.nl","status":"failed","statusCode":200}`:             OutcomeUnknown,
		`{"domain":"a.nl","status":"registered","statusCode":402}`:         OutcomeUnknown,
		`{"domain":"a.nl","status":""}`:                                    OutcomeUnknown,
		`{"domain":"a.nl"}`:                                                OutcomeUnknown,
		`{"domain":"a.nl","statusCode":500}`:                               OutcomeUnknown,
		`{"domain":"a.nl","statusCode":202}`:                               Accepted,
		`{"domain":"a.nl","status":"registered","statusCode":202}`:         Accepted,
		`{"domain":"a.nl","status":"failed","statusCode":202}`:             Accepted,
		`{"domain":"a.nl","status":"pending"}`:                             Accepted,
		`{"domain":"a.nl","status":"In-Progress","statusCode":200}`:        Accepted,
		`{"domain":"a.nl","status":"scheduled","statusCode":500}`:          Accepted,
		`{"domain":"a.nl","status":"on its way"}`:                          Accepted,
		`{"domain":"a.nl","status":"on its way","statusCode":"soon"}`:      Accepted,
		`{"domain":"a.nl","status":"on its way","statusCode":422}`:         OutcomeUnknown,
		`{"domain":"a.nl","status":"on its way","statusCode":503}`:         OutcomeUnknown,
		`{"domain":"a.nl","status":" REGISTERED "}`:                        Registered,
		`{"domain":"a.nl","status":"registered","statusCode":"201"}`:       Registered,
		`{"domain":"a.nl","status":"registered","statusCode":200.0}`:       Registered,
		`{"domain":"a.nl","status":"registered","statusCode":99999999999}`: OutcomeUnknown,
		`{"domain":"a.nl","status":"registered","statusCode":{"a":1}}`:     OutcomeUnknown,
		`{"domain":"a.nl","status":"failed","statusCode":-1}`:              Failed,
		`{"domain":"a.nl","status":"not registered"}`:                      Accepted,
		"\xef\xbb\xbf" + `{"domain":"a.nl","status":"registered"}` + "\n":  Registered,
	} {
		got, err := decodeResult([]byte(body))
		if err != nil || len(got) != 1 || got[0].Outcome != want {
			t.Errorf("%s: %v, %v, want %s", body, got, err, want)
		}
	}
	if got, err := decodeRegistrations([]byte(`{"results":[{"domain":"a.nl","status":7}]}`)); err != nil || got[0].Outcome != OutcomeUnknown {
		t.Errorf("a status that is no word: %v, %v", got, err)
	}
	for _, body := range []string{"", "null", "{}", `{"status":"registered"}`, `{"domain":"a.nl"`, `"registered"`} {
		if got, err := decodeResult([]byte(body)); err == nil {
			t.Errorf("%s: %v, want an error", body, got)
		}
		if got, err := decodeCheck([]byte(body)); err == nil {
			t.Errorf("%s: %v, want an error", body, got)
		}
	}
}

// A statusCode that is none is quoted, and never becomes another number.
func TestItemsStatusCode(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]Result{
		`404`: {StatusCode: 404}, `"404"`: {StatusCode: 404}, `404.0`: {StatusCode: 404}, `4.04e2`: {StatusCode: 404}, `" 404 "`: {StatusCode: 404},
		`null`: {}, `0`: {}, `""`: {},
		`99999999999`:          {Message: "statusCode 99999999999: no"},
		`1e999`:                {Message: "statusCode 1e999: no"},
		`-404`:                 {Message: "statusCode -404: no"},
		`404.5`:                {Message: "statusCode 404.5: no"},
		`"0x194"`:              {Message: "statusCode 0x194: no"},
		`600`:                  {Message: "statusCode 600: no"},
		`99`:                   {Message: "statusCode 99: no"},
		`4294967700`:           {Message: "statusCode 4294967700: no"}, // 404 in 32 bits
		`18446744073709552020`: {Message: "statusCode 18446744073709552020: no"},
		`"teapot"`:             {Message: "statusCode teapot: no"},
		`[404]`:                {Message: "statusCode [404]: no"},
		`true`:                 {Message: "statusCode true: no"},
	} {
		if want.Message == "" {
			want.Message = "no"
		}
		want.Domain, want.Outcome = "a.nl", Failed
		got, err := decodeRegistrations([]byte(`{"results":[{"domain":"a.nl","status":"failed","message":"no","statusCode":` + raw + `}]}`))
		if err != nil || got[0] != want {
			t.Errorf("%s: %+v, %v, want %+v", raw, got, err, want)
		}
	}
}

func TestDecodeError(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]bool{
		`{"statusCode":422,"message":"no"}`:      true,
		`{"statusCode":422,"message":""}`:        true,
		`{"statusCode":"422","message":"no"}`:    false,
		`{"statusCode":422}`:                     false,
		`{"message":"no"}`:                       false,
		`{"statusCode":null,"message":"no"}`:     false,
		`{"statusCode":422,"message":["no"]}`:    false,
		`{"statusCode":422,"message":"no"}trash`: false,
		`[]`:                                     false, ``: false,
	} {
		if _, _, ok := decodeError([]byte(body)); ok != want {
			t.Errorf("%s: %v, want %v", body, ok, want)
		}
	}
}

func TestDecodeTokenLife(t *testing.T) {
	t.Parallel()
	for expires, want := range map[string]time.Duration{"1": time.Second, "3600": time.Hour, "9223372036854775807": maxTokenLife} {
		_, got, err := decodeToken([]byte(`{"status":"success","token":"abcdef","expires_in":` + expires + `}`))
		if err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", expires, got, err, want)
		}
	}
}

// A registrar may write its numbers as text, or as what JSON has for fractions.
func TestTokenLifeInOtherForms(t *testing.T) {
	t.Parallel()
	for life, want := range map[string]time.Duration{
		`"expires_in":"3600"`: time.Hour, `"expires_in":3600.0`: time.Hour, `"expires_in":"3600.0"`: time.Hour, `"expires_in":3.6e3`: time.Hour,
		`"expires_in":" 3600 "`: time.Hour, `"expires_in":3600.9`: time.Hour, `"expires_in":36e+2`: time.Hour, `"Expires_In":"60"`: time.Minute,
		`"expiresIn":3600`: time.Hour, `"expiresIn":"3600"`: time.Hour, `"expires_in":null,"expiresIn":60`: time.Minute,
		`"expires_in":60,"expiresIn":"soon"`:  time.Minute,
		`"expires_in":"99999999999999999999"`: maxTokenLife, `"expires_in":1e400`: maxTokenLife, `"expires_in":86400.5`: maxTokenLife,

		`"expires_in":"0"`: 0, `"expires_in":0.0`: 0, `"expires_in":0.9`: 0, `"expires_in":-3600`: 0, `"expires_in":"-3600.0"`: 0, `"expires_in":"soon"`: 0,
		`"expires_in":""`: 0, `"expires_in":"1h"`: 0, `"expires_in":"0x10"`: 0, `"expires_in":"NaN"`: 0, `"expires_in":"Inf"`: 0, `"expires_in":true`: 0,
		`"expires_in":[3600]`: 0, `"expires_in":{"s":3600}`: 0, `"expires_in":"36 00"`: 0, `"expires_in":"3_600"`: 0, `"expires_in":"1e"`: 0,
	} {
		got, lasts, err := decodeToken([]byte(`{"status":"success","token":"abcdef",` + life + `}`))
		if lasts != want || (err == nil) != (want > 0) || (got == "abcdef") != (want > 0) {
			t.Errorf("%s: %s, %v, want %s", life, lasts, err, want)
		}
		if err != nil && (!strings.Contains(err.Error(), "expires_in") || strings.Contains(err.Error(), "abcdef")) {
			t.Errorf("%s: %v", life, err)
		}
	}
}

// A statusCode of an error body that no int holds does not take the words beside it away, and is quoted as it came.
func TestErrorStatusCodeThatDoesNotFit(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]struct {
		code    int
		message string
	}{
		`422`: {422, "no"}, `-1`: {-1, "no"}, `0`: {0, "no"},
		`2147483648`: {2147483648, "no"}, `99999999999`: {99999999999, "no"}, `4294967718`: {4294967718, "no"},
		`9223372036854775808`: {0, "statusCode 9223372036854775808: no"}, `-9223372036854775809`: {0, "statusCode -9223372036854775809: no"},
		`99999999999999999999999`: {0, "statusCode 99999999999999999999999: no"},
	} {
		code, message, ok := decodeError([]byte(`{"statusCode":` + raw + `,"message":"no"}`))
		if !ok || code != want.code || message != want.message {
			t.Errorf("%s: %d, %q, %v; want %d, %q", raw, code, message, ok, want.code, want.message)
		}
		if said := upstream.Describe(OpCheck, Answer{Status: 422, Documented: ok, StatusCode: code, Message: message}, nil); !strings.Contains(said+"(the body says 0)", raw) {
			t.Errorf("%s: it says %s", raw, said)
		}
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		paths Paths
		says  string // empty: valid
	}{
		{"defaults", Paths{}, ""},
		{"query", Paths{Check: "/v2/whois?domain={domain}&full=1"}, ""},
		{"no placeholder", Paths{Check: "/whois"}, `check path "/whois" must hold {domain} exactly once`},
		{"placeholder twice", Paths{HolderByID: "/h/{id}/{id}"}, "exactly once"},
		{"wrong placeholder", Paths{HolderByID: "/h/{domain}"}, "must hold {id}"},
		{"unwanted placeholder", Paths{Register: "/domain/{id}"}, `register path`},
		{"relative", Paths{CheckBulk: "whois"}, "must begin with one slash"},
		{"another host", Paths{RegisterBulk: "//evil.example/x"}, "must begin with one slash"},
		{"fragment", Paths{Authenticate: "/a#b"}, "fragment"},
		{"space", Paths{Holder: "/a b"}, "space"},
		{"bad escape", Paths{Holder: "/a%zz"}, "percent"},
	} {
		err := tt.paths.withDefaults().validate()
		if (err == nil) != (tt.says == "") || (err != nil && !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.says)
		}
	}
	for _, tt := range [][3]string{
		{"/whois/{domain}", "a/b?c.nl", "/whois/a%2Fb%3Fc.nl"},
		{"/whois?d={domain}&x=1", "a&b=c.nl", "/whois?d=a%26b%3Dc.nl&x=1"},
	} {
		if got := fillPath(tt[0], placeDomain, tt[1]); got != tt[2] {
			t.Errorf("fillPath(%q, %q) = %q, want %q", tt[0], tt[1], got, tt[2])
		}
	}
}

func fuzzBodies(f *testing.F) {
	for _, name := range []string{
		"check", "checks", "checks-odd-item", "register", "registers", "registers-short", "registers-trailing",
		"registers-null", "html-200", "token", "holder", "error-422",
	} {
		f.Add(fixtureBody(f, name))
	}
	f.Add([]byte("\xef\xbb\xbf{}"))
	f.Add([]byte(`{"results":[{"domain":1},null,[],{"available":"x","domain":"a.nl"}]}`))
}

// Whatever comes, an answer that was not given in the documented words is never made up.
func FuzzDecodeChecks(f *testing.F) {
	fuzzBodies(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, decode := range []func([]byte) ([]Check, error){decodeCheck, decodeChecks} {
			checks, err := decode(body)
			if err != nil && checks != nil {
				t.Error("checks beside an error")
			}
			for _, c := range checks {
				switch {
				case c.Availability == Unknown:
				case c.Availability != Available && c.Availability != Taken:
					t.Errorf("availability %q", c.Availability)
				case c.Error != "":
					t.Errorf("%s with error %q", c.Availability, c.Error)
				case c.Availability == Available && c.Aside() != "":
					if words, barred := Barred(c, nil); !barred || words != c.Status {
						t.Errorf("%q beside available does not bar", c.Status)
					}
				}
			}
		}
	})
}

func FuzzDecodeRegistrations(f *testing.F) {
	fuzzBodies(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, decode := range []func([]byte) ([]Result, error){decodeResult, decodeRegistrations} {
			results, err := decode(body)
			if err != nil && results != nil {
				t.Error("results beside an error")
			}
			for _, r := range results {
				if r.StatusCode != 0 && (r.StatusCode < 100 || r.StatusCode > 599) {
					t.Errorf("status code %d", r.StatusCode)
				}
				success := r.StatusCode == 0 || r.StatusCode/100 == 2
				switch r.Outcome {
				case OutcomeUnknown, Accepted:
				case Registered:
					if !success {
						t.Errorf("registered with %d", r.StatusCode)
					}
				case Failed:
					if success && r.StatusCode != 0 {
						t.Errorf("failed with %d", r.StatusCode)
					}
				default:
					t.Errorf("outcome %q", r.Outcome)
				}
			}
		}
	})
}

func FuzzDecodeOthers(f *testing.F) {
	fuzzBodies(f)
	for _, life := range []string{`"3600"`, `3600.0`, `" 1e3 "`, `1e999`, `-1`, `"0x1p4"`, `null,"expiresIn":"60"`} {
		f.Add([]byte(`{"status":"success","token":"abcdef","expires_in":` + life + `}`))
	}
	f.Add([]byte(`{"statusCode":99999999999999999999,"message":"no"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		token, life, err := decodeToken(body)
		if err == nil && (token == "" || life <= 0 || life > maxTokenLife || hasControl(string(token))) {
			t.Errorf("token of %d bytes for %s", len(token), life)
		}
		if _, message, ok := decodeError(body); !ok && message != "" {
			t.Errorf("message %q without a documented body", message)
		}
		if h, err := decodeHolder(body); err != nil && h != (Holder{}) {
			t.Error("holder beside an error")
		}
	})
}
