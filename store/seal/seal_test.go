package seal_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/store/seal"
)

func keys(t *testing.T, texts ...string) seal.Keys {
	t.Helper()
	k, err := seal.ParseKeys(strings.Join(texts, ","))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func sealed(t *testing.T, k seal.Keys, text string, use seal.Use) []byte {
	t.Helper()
	b, err := k.Seal([]byte(text), use)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var someUse = seal.Use{What: "token", Order: "shop/7", Job: [16]byte{1, 2, 3}}

func TestWhatIsSealedOpensForItsUseAlone(t *testing.T) {
	t.Parallel()
	k := keys(t, seal.NewKey())
	for _, text := range []string{"", "a token", strings.Repeat("x", 5000)} {
		kept := sealed(t, k, text, someUse)
		if len(kept) != len(text)+seal.Overhead || text != "" && bytes.Contains(kept, []byte(text)) {
			t.Errorf("%d bytes of %d", len(kept), len(text))
		}
		if got, err := k.Open(kept, someUse); err != nil || string(got) != text {
			t.Errorf("opened as %q, %v", got, err)
		}
		if again := sealed(t, k, text, someUse); bytes.Equal(kept, again) {
			t.Error("the same text sealed twice looks the same")
		}
		for name, use := range map[string]seal.Use{
			"another thing": {What: "url", Order: "shop/7", Job: someUse.Job}, "another order": {What: "token", Order: "shop/8", Job: someUse.Job},
			"another job": {What: "token", Order: "shop/7"}, "nothing": {},
		} {
			if got, err := k.Open(kept, use); !errors.Is(err, seal.ErrBroken) || got != nil {
				t.Errorf("for %s it opens as %q, %v", name, got, err)
			}
		}
	}
}

func TestWhatWasChangedDoesNotOpen(t *testing.T) {
	t.Parallel()
	k := keys(t, seal.NewKey())
	whole := sealed(t, k, "a token", someUse)
	for i := range whole {
		changed := bytes.Clone(whole)
		changed[i] ^= 1
		if got, err := k.Open(changed, someUse); err == nil || got != nil {
			t.Errorf("with byte %d changed it opens as %q", i, got)
		}
		if got, err := k.Open(whole[:i], someUse); err == nil || got != nil {
			t.Errorf("cut at %d it opens as %q", i, got)
		}
	}
}

// While a key is replaced both are there: the new one seals, and the old one still opens. Then it goes.
func TestKeysAreReplaced(t *testing.T) {
	t.Parallel()
	oldKey, newKey := seal.NewKey(), seal.NewKey()
	before, during, after := keys(t, oldKey), keys(t, newKey, oldKey), keys(t, newKey)
	kept := sealed(t, before, "old", someUse)
	if got, err := during.Open(kept, someUse); err != nil || string(got) != "old" {
		t.Errorf("%q, %v", got, err)
	}
	fresh := sealed(t, during, "new", someUse)
	if got, err := after.Open(fresh, someUse); err != nil || string(got) != "new" {
		t.Errorf("%q, %v", got, err)
	}
	var unknown *seal.UnknownKeyError
	if _, err := after.Open(kept, someUse); !errors.As(err, &unknown) || len(unknown.ID) != 16 || strings.Contains(err.Error(), oldKey) {
		t.Errorf("%v", err)
	}
}

func TestWithoutAKey(t *testing.T) {
	t.Parallel()
	none := keys(t)
	kept := sealed(t, keys(t, seal.NewKey()), "x", someUse)
	_, sealing := none.Seal([]byte("x"), someUse)
	_, opening := none.Open(kept, someUse)
	if !none.Empty() || !errors.Is(sealing, seal.ErrNoKey) || !errors.Is(opening, seal.ErrNoKey) || !strings.Contains(sealing.Error(), "openssl rand -base64 32") {
		t.Errorf("%v, %v", sealing, opening)
	}
}

func TestKeysThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	good := seal.NewKey()
	raw, err := base64.StdEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	url := base64.RawURLEncoding.EncodeToString(raw)
	if kept := sealed(t, keys(t, "\n "+good+" \r\n"), "x", someUse); len(kept) == 0 {
		t.Error("spaces are not passed over")
	} else if _, err := keys(t, url).Open(kept, someUse); err != nil {
		t.Errorf("the same key in the alphabet of URLs: %v", err)
	}
	many := make([]string, 9)
	for i := range many {
		many[i] = seal.NewKey()
	}
	for want, text := range map[string]string{
		"key 1: it is not base64": "secret key!", "key 2: it is 31 bytes long, not 32": good + "," + base64.StdEncoding.EncodeToString(raw[:31]),
		"key 2 repeats an earlier one": good + "\n" + url, "key 1: it is one byte again and again": base64.StdEncoding.EncodeToString(make([]byte, 32)),
		"there are more than 8 keys": strings.Join(many, ","),
	} {
		_, err := seal.ParseKeys(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), text) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if said := fmt.Sprintf(verb, keys(t, good)); said != "[1 encryption keys]" {
			t.Errorf("%s prints %s", verb, said)
		}
	}
}

func FuzzOpen(f *testing.F) {
	k, err := seal.ParseKeys(seal.NewKey())
	if err != nil {
		f.Fatal(err)
	}
	kept, err := k.Seal([]byte("x"), someUse)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(kept)
	f.Add(make([]byte, seal.Overhead))
	f.Fuzz(func(t *testing.T, given []byte) {
		if text, err := k.Open(given, someUse); err == nil && !bytes.Equal(given, kept) {
			t.Errorf("it opens as %q", text)
		}
	})
}
