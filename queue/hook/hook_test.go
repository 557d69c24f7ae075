package hook

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

func TestCheckURL(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://shop.example/hooks":                  "https://shop.example/hooks",
		"HTTPS://Shop.Example/Hooks":                  "https://shop.example/Hooks",
		"https://bücher.example:8443/a?b=c":           "https://xn--bcher-kva.example:8443/a?b=c",
		"https://203.0.113.9/":                        "https://203.0.113.9/",
		"https://[2001:db8::1]:443/":                  "https://[2001:db8::1]:443/",
		"http://shop.example/":                        "",
		"ftp://shop.example/":                         "",
		"shop.example/hooks":                          "",
		"https:shop.example":                          "",
		"https://":                                    "",
		"https:///path":                               "",
		"https://me@shop.example/":                    "",
		"https://me:hush@shop.example/":               "",
		"https://shop.example/#part":                  "",
		"https://shop.example/\n":                     "",
		"https://shop .example/":                      "",
		"https://shop.example/\xff":                   "",
		"https://sh_op!.example/":                     "",
		"":                                            "",
		"https://a.nl:0/":                             "",
		"https://a.nl:65536/":                         "",
		"https://127.0.0.1/":                          "",
		"https://[::1]/":                              "",
		"https://[::ffff:10.1.2.3]/":                  "",
		"https://10.0.0.7/":                           "",
		"https://169.254.169.254/":                    "",
		"https://0.0.0.0/":                            "",
		"https://[fe80::1%25eth0]/":                   "",
		"https://localhost/":                          "",
		"https://shop.localhost./":                    "",
		"https://2130706433/":                         "",
		"https://0x7f000001/":                         "",
		"https://127.1/":                              "",
		"https://shop.0177/":                          "",
		"https://shop.example.:65535/":                "https://shop.example.:65535/",
		"https://a.nl/" + strings.Repeat("x", MaxURL): "",
	} {
		got, err := CheckURL(text, nil)
		if got != want || (err != nil) != (want == "") || err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: %q, %v, want %q", text, got, err, want)
		}
	}
	own := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("127.0.0.0/8")}
	for text, good := range map[string]bool{
		"http://10.0.0.7:8080/": true, "http://localhost:8080/": true, "https://[::ffff:127.0.0.1]/": true, "https://10.0.1.7/": false, "https://[::1]/": false,
	} {
		if got, err := CheckURL(text, own); (err == nil) != good || good && got != text {
			t.Errorf("in a network of one's own %q: %q, %v", text, got, err)
		}
	}
}

// What is taken has a host and no password, and is taken again as it is.
func FuzzCheckURL(f *testing.F) {
	for _, seed := range []string{"https://shop.example/hooks?a=b", "http://10.0.0.1/", "https://bücher.example", "https://a@b/", "https://[::1]:1/%zz", "https://a.nl:99999/"} {
		f.Add(seed)
	}
	everywhere := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := CheckURL(text, everywhere)
		if err != nil {
			return
		}
		u, err := url.Parse(got)
		if err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http" {
			t.Fatalf("%q became %q: %v", text, got, err)
		}
		if again, err := CheckURL(got, everywhere); err != nil || again != got {
			t.Fatalf("%q became %q, and then %q, %v", text, got, again, err)
		}
	})
}

func TestNewID(t *testing.T) {
	t.Parallel()
	for range 100 {
		if id, err := NewID(rand.Reader); err != nil || !IsID(id) {
			t.Fatalf("made %q, %v", id, err)
		}
	}
	for _, bad := range []string{"", "abc", "aaaaaaaaa1", "AAAAAAAAAA", "aaaaaaaaaaa"} {
		if IsID(bad) {
			t.Errorf("%q passes for an id", bad)
		}
	}
	if _, err := NewID(strings.NewReader("ab")); err == nil {
		t.Error("made of too little")
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	if _, err := NewSecret(strings.NewReader("short")); err == nil {
		t.Error("made of too little")
	}
	if _, err := SecretOf(make([]byte, 63)); err == nil {
		t.Error("read of too little")
	}
	s, err := NewSecret(bytes.NewReader(bytes.Repeat([]byte{7}, 64)))
	if err != nil {
		t.Fatal(err)
	}
	same, err := SecretOf(s.Bytes())
	if err != nil || same.Reveal() != s.Reveal() || !bytes.Equal(same.PublicKey(), s.PublicKey()) {
		t.Errorf("kept and read again: %v", err)
	}
	text, err := s.MarshalText()
	for _, shown := range []string{fmt.Sprint(s), fmt.Sprintf("%+v %#v %x %s", s, s, s, s), string(text), s.LogValue().String()} {
		if err != nil || strings.Contains(shown, s.Reveal()[8:20]) || strings.Contains(shown, "07070707") {
			t.Errorf("shown: %s", shown)
		}
	}
}

// The message that the page shows is one that the specification's own library takes, with the secret and with the key that it shows.
func TestMessageOfThePage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../api/README.md")
	if err != nil {
		t.Fatal(err)
	}
	request := regexp.MustCompile("(?s)POST /hooks HTTP/1.1\n(.*?)\n\n(.*?)\n```").FindSubmatch(page)
	keys := regexp.MustCompile("the secret is `(whsec_[^`]+)`, the public key `(whpk_[^`]+)`").FindSubmatch(page)
	if request == nil || keys == nil {
		t.Fatal("the page has no message")
	}
	header := http.Header{}
	for line := range strings.Lines(string(request[1])) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		header.Set(name, value)
	}
	verifier, err := standardwebhooks.NewWebhook(string(keys[1]))
	if err != nil {
		t.Fatal(err)
	}
	if err := verifier.VerifyIgnoringTimestamp(request[2], header); err != nil {
		t.Errorf("v1: %v", err)
	}
	secret, err := NewSecret(bytes.NewReader(pageSeed()))
	if err != nil {
		t.Fatal(err)
	}
	if PublicText(secret.PublicKey()) != string(keys[2]) || secret.Reveal() != string(keys[1]) {
		t.Error("the page has another key")
	}
	if got := secret.Sign(header.Get("webhook-id"), time.Unix(1795766401, 0), request[2]); got != header.Get("webhook-signature") {
		t.Errorf("the page has another signature than %s", got)
	}
}

// pageSeed is what the page's secret is made of.
func pageSeed() []byte {
	seed := make([]byte, 64)
	for i := range seed {
		seed[i] = byte(i*7 + 3)
	}
	return seed
}
