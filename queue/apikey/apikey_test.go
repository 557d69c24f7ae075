package apikey

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"testing"
)

// newKey makes a key that nobody can guess.
func newKey(t testing.TB) Key {
	t.Helper()
	k, err := New(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// A key is made of what is random and nothing else, and of all of it: of too little there is none.
func TestKeysAreMadeOfWhatIsRandom(t *testing.T) {
	t.Parallel()
	const want = "bulkreg_aaaqeayeau_aydqqcikbmga2dqpcaireeyuculbogazdinryhi6d4qccircgjsq"
	random := make([]byte, idBytes+secretBytes)
	for i := range random {
		random[i] = byte(i)
	}
	for range 2 {
		k, err := New(bytes.NewReader(random))
		if text := k.Reveal(); err != nil || !strings.HasPrefix(text, want[:30]) {
			t.Errorf("made %s, %v", text, err)
		}
	}
	k, err := New(bytes.NewReader(random[1:]))
	if !errors.Is(err, io.ErrUnexpectedEOF) || k != (Key{}) {
		t.Errorf("of too little it makes %s, %v", k, err)
	}
}

func TestKeysAreReadBack(t *testing.T) {
	t.Parallel()
	form := keyForm()
	seen := map[string]bool{}
	for range 100 {
		k := newKey(t)
		text := k.Reveal()
		if !form.MatchString(text) || seen[text] || !IsID(k.ID()) {
			t.Fatalf("key %s", text)
		}
		seen[text] = true
		back, err := Parse(text)
		if err != nil || back != k || back.Digest() != k.Digest() {
			t.Errorf("%s is read as %#v, %v", text, back, err)
		}
	}
}

// A key with any sign changed is none: nobody asks a database for it.
func TestMistypedKeysAreRefused(t *testing.T) {
	t.Parallel()
	text := newKey(t).Reveal()
	for i := range text {
		changed := []byte(text)
		changed[i] = 'a'
		if changed[i] == text[i] {
			changed[i] = 'b'
		}
		if _, err := Parse(string(changed)); err == nil {
			t.Errorf("%s passes for %s", changed, text)
		}
	}
	for _, bad := range []string{"", "bulkreg", text + "a", text[1:], strings.ToUpper(text), " " + text} {
		if _, err := Parse(bad); err == nil || strings.Contains(err.Error(), "_a") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// The checksum is no secret: a text that has it, and other signs than keys are made of, is no key either.
func TestOtherSignsAreRefused(t *testing.T) {
	t.Parallel()
	summed := func(id, secret string) string { return "bulkreg_" + id + "_" + secret + sum(id, secret) }
	id, secret := strings.Repeat("a", idLength), strings.Repeat("b", textLength)
	if _, err := Parse(summed(id, secret)); err != nil {
		t.Fatalf("it is not the signs that it refuses: %v", err)
	}
	for _, sign := range []string{"\x00", "\xff", "A", "1", "-", " "} {
		for _, text := range []string{summed(id[1:]+sign, secret), summed(id, secret[1:]+sign)} {
			if _, err := Parse(text); err == nil {
				t.Errorf("%q passes", text)
			}
		}
	}
}

// Nothing prints the secret but Reveal.
func TestKeysHideTheirSecret(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("made", "key", k)
	text, err := json.Marshal(map[string]any{"key": k, "list": []Key{k}})
	if err != nil {
		t.Fatal(err)
	}
	shown := fmt.Sprintf("%v %+v %#v %s %q %x %d %v", k, k, k, k, k, k, k, []Key{k}) + log.String() + string(text)
	if strings.Contains(shown, k.secret) || strings.Contains(shown, k.secret[:10]) || !strings.Contains(shown, k.ID()) {
		t.Errorf("shown: %s", shown)
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	for i, r := range Roles() {
		for j, needed := range Roles() {
			if r.May(needed) != (i >= j) {
				t.Errorf("%s may %s: %v", r, needed, r.May(needed))
			}
		}
		if got, err := ParseRole(string(r)); err != nil || got != r {
			t.Errorf("%s is read as %s, %v", r, got, err)
		}
	}
	if _, err := ParseRole("root"); err == nil || Role("").May(Read) || Operate.May("") || Role("root").May(Read) {
		t.Error("there are other roles")
	}
}

// What passes has the form that scanners for secrets look for. The checksum is put right, or nothing made up would ever pass.
func FuzzParse(f *testing.F) {
	form := keyForm()
	k := newKey(f)
	f.Add(k.id, k.secret[:textLength])
	f.Add("", "")
	f.Add(strings.Repeat("\xff", idLength), strings.Repeat("_", textLength))
	f.Fuzz(func(t *testing.T, id, secret string) {
		for _, text := range []string{id, "bulkreg_" + id + "_" + secret, "bulkreg_" + id + "_" + secret + sum(id, secret)} {
			k, err := Parse(text)
			if passes := err == nil; passes && (k.Reveal() != text || !form.MatchString(text)) {
				t.Errorf("%q is read as %q", text, k.Reveal())
			} else if !passes && strings.HasSuffix(text, sum(id, secret)) && form.MatchString(text) {
				t.Errorf("%q is refused", text)
			}
		}
	})
}

// keyForm is what scanners for secrets look for.
func keyForm() *regexp.Regexp { return regexp.MustCompile(`^bulkreg_[a-z2-7]{10}_[a-z2-7]{59}$`) }
