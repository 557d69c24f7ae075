package upstream

import (
	"fmt"
	"log/slog"
)

// Hidden is what stands in the place of a secret.
const Hidden = "[secret]"

// Secret is a string that prints, logs and marshals as "[secret]". Convert it with string(s) where it is used.
//
// The fmt package cannot call methods on unexported fields, so keep a Secret in exported ones; encoding/json takes map
// keys as they are, so make it none.
type Secret string

var (
	_ fmt.Formatter  = Secret("")
	_ slog.LogValuer = Secret("")
)

// Format answers every verb alike; without it an unsuitable verb such as %d would print the value.
func (Secret) Format(f fmt.State, _ rune) {
	fmt.Fprint(f, Hidden)
}

// String returns "[secret]".
func (Secret) String() string { return Hidden }

// GoString returns "[secret]".
func (Secret) GoString() string { return Hidden }

// MarshalText returns "[secret]".
func (Secret) MarshalText() ([]byte, error) { return []byte(Hidden), nil }

// MarshalJSON returns "[secret]" as a JSON string.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + Hidden + `"`), nil }

// LogValue returns "[secret]".
func (Secret) LogValue() slog.Value { return slog.StringValue(Hidden) }
