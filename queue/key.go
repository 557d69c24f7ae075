package queue

import (
	"fmt"
	"log/slog"
	"strings"
)

// Bounds of a key, in characters. The shortest has 128 bits even where it is written in hexadecimal.
const (
	minKey = 32
	maxKey = 256
)

// Key is the secret with which a producer signs its chunks: the bytes of its text, as they are. It prints as nothing.
type Key struct{ text string }

var (
	_ fmt.Formatter  = Key{}
	_ slog.LogValuer = Key{}
)

// Format answers every verb alike.
func (Key) Format(f fmt.State, _ rune) { fmt.Fprint(f, hiddenKey) }

// LogValue hides the key.
func (Key) LogValue() slog.Value { return slog.StringValue(hiddenKey) }

const hiddenKey = "[key]"

// ParseKey checks a key. Its error does not show it.
func ParseKey(text string) (Key, error) {
	switch {
	case len(text) < minKey:
		return Key{}, fmt.Errorf("the key is shorter than %d characters: make one with `openssl rand -hex 32`", minKey)
	case len(text) > maxKey:
		return Key{}, fmt.Errorf("the key is longer than %d characters", maxKey)
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ',' }):
		return Key{}, fmt.Errorf("the key has a character other than letters, digits and marks: make one with `openssl rand -hex 32`")
	case strings.Count(text, text[:1]) == len(text):
		return Key{}, fmt.Errorf("the key is one character again and again: make one with `openssl rand -hex 32`")
	}
	return Key{text: text}, nil
}

// Keys are those of each source. Its zero value has none, and asks for no signatures. They print as nothing.
type Keys struct{ of map[string][]Key }

var (
	_ fmt.Formatter  = Keys{}
	_ slog.LogValuer = Keys{}
)

// Format answers every verb alike.
func (k Keys) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "[keys of %d sources]", len(k.of)) }

// LogValue hides the keys.
func (k Keys) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(k)) }

// maxKeysOfSource bounds what is computed for one chunk.
const maxKeysOfSource = 8

// ParseKeys reads entries of the form SOURCE=KEY, with commas or line breaks between them. A source may have several keys, any of
// which signs for it, so that one can be replaced while the other is still in use; no two sources share one. The error counts
// entries, and shows nothing of them: a key may stand anywhere in one that is wrong.
func ParseKeys(text string) (Keys, error) {
	keys := Keys{of: map[string][]Key{}}
	owners := map[Key]string{}
	n := 0
	for entry := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' }) {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		n++
		source, key, err := parseEntry(entry)
		if err != nil {
			return Keys{}, fmt.Errorf("entry %d: %w", n, err)
		}
		switch owner, known := owners[key]; {
		case known && owner == source:
			return Keys{}, fmt.Errorf("entry %d repeats an earlier one: keep one of them", n)
		case known:
			return Keys{}, fmt.Errorf("entry %d has another source's key: give each source its own", n)
		case len(keys.of[source]) == maxKeysOfSource:
			return Keys{}, fmt.Errorf("entry %d is more than key %d of one source: remove those that are not in use", n, maxKeysOfSource)
		}
		owners[key] = source
		keys.of[source] = append(keys.of[source], key)
	}
	if n == 0 {
		return Keys{}, fmt.Errorf("there is no key in it: give SOURCE=KEY")
	}
	return keys, nil
}

func parseEntry(entry string) (source string, key Key, err error) {
	source, secret, found := strings.Cut(entry, "=")
	if !found {
		return "", Key{}, fmt.Errorf("there is no = in it: give SOURCE=KEY")
	}
	if err := CheckName(source, MaxName); err != nil {
		return "", Key{}, fmt.Errorf("the source %w", err)
	}
	key, err = ParseKey(secret)
	return source, key, err
}

// Empty says that there are no keys.
func (k Keys) Empty() bool { return len(k.of) == 0 }

// Sources is how many sources have keys.
func (k Keys) Sources() int { return len(k.of) }
