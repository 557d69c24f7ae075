package apikey

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
)

func TestKeysAreReadBack(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^bulkreg_[a-z2-7]{10}_[a-z2-7]{59}$`)
	seen := map[string]bool{}
	for range 100 {
		k := New()
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
	text := New().Reveal()
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

// Nothing prints the secret but Reveal.
func TestKeysHideTheirSecret(t *testing.T) {
	t.Parallel()
	k := New()
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

func FuzzParse(f *testing.F) {
	f.Add(New().Reveal())
	f.Add("bulkreg__")
	f.Fuzz(func(t *testing.T, text string) {
		if k, err := Parse(text); err == nil && k.Reveal() != text {
			t.Errorf("%q is read as %q", text, k.Reveal())
		}
	})
}
