package queue_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/queue"
)

// Keys of tests, none of which anybody has.
const (
	shopKey = "shop-0123456789abcdef0123456789abcdef"
	nextKey = "next-0123456789abcdef0123456789abcde="
	erpKey  = "erp--0123456789abcdef0123456789abcdef"
)

func key(t testing.TB, text string) queue.Key {
	t.Helper()
	k, err := queue.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func keys(t testing.TB, text string) queue.Keys {
	t.Helper()
	k, err := queue.ParseKeys(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// What README.md of this folder shows, for other languages, is what is signed. openssl made the signature there:
//
//	printf 'bulkreg chunk v1\ndomain:register\nshop\n%s' "$PAYLOAD" | openssl dgst -sha256 -hmac "$KEY"
func TestSignatureIsWhatIsWrittenDown(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^    (key|payload|signature) +(\S.*)$`).FindAllStringSubmatch(string(page), -1) {
		shown[m[1]] = m[2]
	}
	if got := key(t, shown["key"]).Sign(queue.TypeRegister, "shop", []byte(shown["payload"])); got != shown["signature"] {
		t.Errorf("signed %s, README.md has %v", got, shown)
	}
	if _, err := queue.DecodeChunk([]byte(shown["payload"])); err != nil {
		t.Error(err)
	}
	mac := hmac.New(sha256.New, []byte(shown["key"]))
	fmt.Fprintf(mac, "bulkreg chunk v1\ndomain:register\nshop\n%s", shown["payload"])
	if want := "v1=" + hex.EncodeToString(mac.Sum(nil)); want != shown["signature"] {
		t.Errorf("README.md has %s, want %s", shown["signature"], want)
	}
}

func TestSignatureIsGoodForOneThing(t *testing.T) {
	t.Parallel()
	const payload = `{"order":"r","source":"shop","jobs":[{"domain":"a.nl"}]}`
	all := keys(t, "shop="+shopKey+",erp="+erpKey+"\nshop="+nextKey)
	sign := func(by, taskType, source, payload string) map[string]string {
		return map[string]string{queue.SignatureHeader: key(t, by).Sign(taskType, source, []byte(payload))}
	}
	good := sign(shopKey, queue.TypeWhois, "shop", payload)
	upper := map[string]string{queue.SignatureHeader: "v1=" + strings.ToUpper(good[queue.SignatureHeader][3:])}
	for name, c := range map[string]struct {
		source   string
		payload  string
		headers  map[string]string
		says     string
		taskType string
	}{
		"signed":                       {headers: good},
		"signed with the next key":     {headers: sign(nextKey, queue.TypeWhois, "shop", payload)},
		"in capitals":                  {headers: upper},
		"not signed":                   {says: "is not signed"},
		"another header":               {headers: map[string]string{"signature": good[queue.SignatureHeader]}, says: "is not signed"},
		"for another kind":             {headers: good, taskType: queue.TypeRegister, says: `no key of source "shop" has signed this payload for domain:register`},
		"for another source":           {headers: good, source: "erp", says: `no key of source "erp"`},
		"by another source":            {headers: sign(erpKey, queue.TypeWhois, "shop", payload), says: "no key of source"},
		"by a stranger":                {headers: sign(strings.ToUpper(erpKey), queue.TypeWhois, "shop", payload), says: "no key of source"},
		"for a payload with a space":   {headers: good, payload: payload + " ", says: "no key of source"},
		"for half a payload":           {headers: good, payload: payload[:len(payload)/2], says: "no key of source"},
		"with the lines moved":         {headers: sign(shopKey, queue.TypeWhois, "", "shop\n"+payload), says: "no key of source"},
		"of a source without a key":    {headers: good, source: "web", says: `PRODUCER_KEYS has no key of source "web"`},
		"of the source in capitals":    {headers: good, source: "Shop", says: `PRODUCER_KEYS has no key of source "Shop"`},
		"of another form":              {headers: map[string]string{queue.SignatureHeader: "v2" + good[queue.SignatureHeader][2:]}, says: "has not the form"},
		"without a form":               {headers: map[string]string{queue.SignatureHeader: good[queue.SignatureHeader][3:]}, says: "has not the form"},
		"cut":                          {headers: map[string]string{queue.SignatureHeader: good[queue.SignatureHeader][:20]}, says: "has not the form"},
		"empty":                        {headers: map[string]string{queue.SignatureHeader: ""}, says: "has not the form"},
		"with something behind it":     {headers: map[string]string{queue.SignatureHeader: good[queue.SignatureHeader] + "00"}, says: "has not the form"},
		"of characters that are none":  {headers: map[string]string{queue.SignatureHeader: "v1=" + strings.Repeat("zz", 32)}, says: "has not the form"},
		"of a key that is in no entry": {headers: sign(strings.Repeat("ab", 32), queue.TypeWhois, "shop", payload), says: "no key of source"},
	} {
		if c.source == "" {
			c.source = "shop"
		}
		if c.payload == "" {
			c.payload = payload
		}
		if c.taskType == "" {
			c.taskType = queue.TypeWhois
		}
		err := all.Verify(c.taskType, c.source, []byte(c.payload), c.headers)
		if (err == nil) != (c.says == "") || err != nil && (!errors.As(err, new(*queue.SignatureError)) || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
		if err != nil && (strings.Contains(err.Error(), "0123456789abcdef") || strings.Contains(err.Error(), good[queue.SignatureHeader][3:20])) {
			t.Errorf("%s: the error shows a key or a signature: %v", name, err)
		}
		if err := (queue.Keys{}).Verify(c.taskType, c.source, []byte(c.payload), c.headers); err != nil {
			t.Errorf("%s, and nobody has keys: %v", name, err)
		}
	}
}

func TestParseKeys(t *testing.T) {
	t.Parallel()
	for text, sources := range map[string]int{
		"shop=" + shopKey: 1, " shop=" + shopKey + " ,\r\n\n,erp=" + erpKey + ",": 2, "web shop=" + shopKey + "\nweb shop=" + nextKey: 1,
		"日本=" + strings.Repeat("ab", 128): 1,
	} {
		if k, err := queue.ParseKeys(text); err != nil || k.Sources() != sources || k.Empty() {
			t.Errorf("%q: %d sources, %v", text, k.Sources(), err)
		}
	}
	nine := ""
	for i := range 9 {
		nine += fmt.Sprintf("shop=%s%d,", shopKey, i)
	}
	for text, says := range map[string]string{
		"": "there is no key in it", " ,\n": "there is no key in it",
		shopKey:                                  "entry 1: there is no = in it",
		"shop=" + shopKey + "," + erpKey:         "entry 2: there is no = in it",
		"=" + shopKey:                            "entry 1: the source is empty",
		"shop =" + shopKey:                       "entry 1: the source has spaces around it",
		"sh\x00op=" + shopKey:                    "entry 1: the source has a character",
		"sh\xffop=" + shopKey:                    "entry 1: the source is not UTF-8",
		strings.Repeat(shopKey, 2) + "=shop":     "entry 1: the source is longer than 64 bytes",
		erpKey + "=shop":                         "entry 1: the key is shorter than 32",
		"shop=":                                  "entry 1: the key is shorter than 32",
		"shop=short-" + shopKey[:20]:             "entry 1: the key is shorter than 32",
		"shop=" + strings.Repeat(shopKey, 9):     "entry 1: the key is longer than 256",
		"shop=" + shopKey + " x":                 "entry 1: the key has a character",
		"shop=" + shopKey + "é":                  "entry 1: the key has a character",
		"shop=" + strings.Repeat("x", 40):        "entry 1: the key is one character again and again",
		"shop=" + shopKey + ",shop=" + shopKey:   "entry 2 repeats an earlier one",
		"shop=" + shopKey + "\n\nerp=" + shopKey: "entry 2 has another source's key",
		nine:                                     "entry 9 is more than key 8 of one source",
	} {
		k, err := queue.ParseKeys(text)
		if err == nil || !strings.Contains(err.Error(), says) || !k.Empty() {
			t.Errorf("%q: %v, want %q", text, err, says)
			continue
		}
		if strings.Contains(err.Error(), "0123456789abcdef") || strings.Contains(err.Error(), "\n") {
			t.Errorf("the error shows a key: %v", err)
		}
	}
}

func TestKeysAreNotPrinted(t *testing.T) {
	t.Parallel()
	all, one := keys(t, "shop="+shopKey), key(t, shopKey)
	holder := struct {
		Keys queue.Keys
		Key  queue.Key
	}{all, one}
	var text strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&text, verb+verb+verb+verb, all, one, holder, &holder)
	}
	slog.New(slog.NewTextHandler(&text, nil)).Info("x", "all", all, "one", one, "holder", holder)
	asJSON, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	text.Write(asJSON)
	if strings.Contains(text.String(), shopKey[:12]) || strings.Contains(text.String(), hex.EncodeToString([]byte(shopKey[:6]))) {
		t.Errorf("a key is in %s", text.String())
	}
}

// FuzzParseKeys reads whatever an environment may hold.
func FuzzParseKeys(f *testing.F) {
	for _, text := range []string{"", "shop=" + shopKey, "a=b,c=d", "shop=" + shopKey + "\nshop=" + nextKey, "=,=\r=\xff", "shop=" + shopKey + ",,erp=" + erpKey} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k, err := queue.ParseKeys(text)
		if (err == nil) == k.Empty() {
			t.Fatalf("%d sources, %v", k.Sources(), err)
		}
		if err != nil {
			if len(err.Error()) > 150 {
				t.Fatalf("the error shows too much: %v", err)
			}
			return
		}
		if err := k.Verify(queue.TypeWhois, "shop", nil, nil); err == nil {
			t.Fatal("what is not signed passed")
		}
	})
}

// FuzzVerify gives any header to a worker that asks for signatures: what was not signed never passes.
func FuzzVerify(f *testing.F) {
	good := key(f, shopKey).Sign(queue.TypeWhois, "shop", []byte("{}"))
	for _, header := range []string{"", good, good[:66], "v1=", "v1", "=" + good, strings.ToUpper(good), good + "=", good + ",v1=" + good} {
		f.Add(header, "shop", []byte("{}"))
		f.Add(header, "shop\n", []byte(""))
		f.Add(header, "", []byte("shop\n{}"))
	}
	all := keys(f, "shop="+shopKey)
	f.Fuzz(func(t *testing.T, header, source string, payload []byte) {
		err := all.Verify(queue.TypeWhois, source, payload, map[string]string{queue.SignatureHeader: header})
		signed := source == "shop" && string(payload) == "{}" && strings.EqualFold(header, good) && strings.HasPrefix(header, "v1=")
		if (err == nil) != signed {
			t.Fatalf("%q of %q: %v", header, source, err)
		}
	})
}
