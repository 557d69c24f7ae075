package gettoken

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/bulkreg/bulkreg/worker/upstream"
)

// Access gives the access token that calls carry. It is asked before each call, so that a token that was replaced counts at once.
type Access interface {
	AccessToken() (upstream.Secret, error)
}

// ErrNoAccess says that there is no access token to call with.
var ErrNoAccess = errors.New("no access token: set PMG_ACCESS_TOKEN, or PMG_ACCESS_TOKEN_FILE to a file that holds it")

// Fixed is an access token that stays as it is.
type Fixed upstream.Secret

// AccessToken implements Access.
func (f Fixed) AccessToken() (upstream.Secret, error) { return checkAccess(string(f)) }

// Format prints none of it, whatever the verb.
func (Fixed) Format(f fmt.State, _ rune) { fmt.Fprint(f, upstream.Hidden) }

// maxAccess is the longest access token, in bytes. It has to fit a header.
const maxAccess = 16 << 10

func checkAccess(text string) (upstream.Secret, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return "", ErrNoAccess
	case len(text) > maxAccess, strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return "", errors.New("the access token holds a space or another character that fits no header, or is too long")
	}
	return upstream.Secret(text), nil
}

// File is an access token in a file, which is read anew for each call: it is small, and whoever replaces it says so to nobody.
type File struct {
	read func() (string, error)

	mu   sync.Mutex
	last upstream.Secret // the last good one
}

// NewFile makes one of what reads the file. It must wait for nothing, and bound what it reads: whatever stands there by then, a call
// has a slot meanwhile. The file need not be there yet.
func NewFile(read func() (string, error)) *File { return &File{read: read} }

// AccessToken implements Access. A file that is empty for a moment, or cannot be read, is one that is being replaced: the last
// good token counts until it can be read again.
func (f *File) AccessToken() (upstream.Secret, error) {
	text, err := f.read()
	var token upstream.Secret
	if err == nil {
		token, err = checkAccess(text)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		f.last = token
	} else if f.last == "" {
		return "", fmt.Errorf("read access token: %w", err)
	}
	return f.last, nil
}

// access follows the access token of a client: each change of it is a new generation.
type access struct {
	from  Access
	known func(upstream.Secret) // told of each new one before it is used

	mu         sync.Mutex
	current    upstream.Secret
	generation uint64
}

func (a *access) get() (upstream.Secret, uint64, error) {
	token, err := a.from.AccessToken()
	if err != nil {
		return "", 0, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if token != a.current {
		a.known(token)
		a.current, a.generation = token, a.generation+1
	}
	return a.current, a.generation, nil
}
