// Package endpoint looks after webhooks on behalf of whoever asks, over HTTP or on the command line: it checks what is asked for,
// makes secrets and seals them. It must never keep or show a secret but to whoever it was made for.
package endpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/bulkreg/bulkreg/queue/hook"
	"github.com/bulkreg/bulkreg/store/events"
	"github.com/bulkreg/bulkreg/store/seal"
	"github.com/bulkreg/bulkreg/store/webhooks"
)

// Desk makes and changes endpoints.
type Desk struct {
	Store  *webhooks.Webhooks
	Seal   seal.Keys      // with which secrets are kept
	Own    []netip.Prefix // networks of one's own: http is for them, and they need not be public
	Random io.Reader
}

// InputError says what of an endpoint cannot be used.
type InputError struct {
	Field string // url, types, overlap or since
	Err   error
}

func (e *InputError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *InputError) Unwrap() error { return e.Err }

// Made is an endpoint that was made, with its secret, which nobody sees again.
type Made struct {
	ID     string
	URL    string // in its normal form
	Secret hook.Secret
}

// New is an endpoint to be made.
type New struct {
	Source string
	URL    string
	Types  []events.Type // of the events that it is told of; none: all but job.finished
	By     string        // who makes it, on record
}

// Add makes an endpoint. Its errors are *InputError, seal.ErrNoKey, webhooks.ErrTooMany, *webhooks.ExistsError and those of the
// database.
func (d Desk) Add(ctx context.Context, n New) (Made, error) {
	url, err := hook.CheckURL(n.URL, d.Own)
	if err != nil {
		return Made{}, &InputError{"url", err}
	}
	wanted := make([]string, 0, len(n.Types))
	for _, t := range n.Types {
		if !slices.Contains(events.Types(), t) {
			return Made{}, &InputError{"types", fmt.Errorf("%q is no type of event", t)}
		}
		if !slices.Contains(wanted, string(t)) {
			wanted = append(wanted, string(t))
		}
	}
	id, err := hook.NewID(d.Random)
	if err != nil {
		return Made{}, err //nolint:wrapcheck // it says what was being made
	}
	secret, sealed, err := d.secret(n.Source, id)
	if err != nil {
		return Made{}, err
	}
	err = d.Store.Add(ctx, webhooks.NewEndpoint{
		ID: id, Source: n.Source, URL: url, Types: wanted, By: n.By, Sealed: sealed, PublicKey: secret.PublicKey(),
	})
	return Made{id, url, secret}, err //nolint:wrapcheck // the store says what it did
}

func (d Desk) secret(source, id string) (hook.Secret, []byte, error) {
	secret, err := hook.NewSecret(d.Random)
	if err != nil {
		return hook.Secret{}, nil, err //nolint:wrapcheck // it says what was being made
	}
	sealed, err := d.Seal.SealSecret(secret.Bytes(), seal.Endpoint{Source: source, ID: id})
	if err != nil {
		return hook.Secret{}, nil, fmt.Errorf("seal secret: %w", err)
	}
	return secret, sealed, nil
}

const (
	// DefaultOverlap is how long a secret signs on beside the one that replaces it.
	DefaultOverlap = 24 * time.Hour
	maxOverlap     = 30 * 24 * time.Hour
)

// Rotate gives an endpoint a new secret. The one before it signs as well, for overlap. Its errors are those of Add.
func (d Desk) Rotate(ctx context.Context, of webhooks.Endpoint, overlap time.Duration) (hook.Secret, error) {
	if overlap < 0 || overlap > maxOverlap {
		return hook.Secret{}, &InputError{"overlap", errors.New("the secrets overlap for 0 to 30 days")}
	}
	secret, sealed, err := d.secret(of.Source, of.ID)
	if err != nil {
		return hook.Secret{}, err
	}
	return secret, d.Store.Rotate(ctx, of.ID, sealed, secret.PublicKey(), overlap) //nolint:wrapcheck // the store says what it did
}

// Recover sends again what an endpoint has not taken since a time, or says what that would be. Its errors are *InputError and those of the
// database.
func (d Desk) Recover(ctx context.Context, id string, since, now time.Time, dry bool) (webhooks.Recovery, error) {
	switch {
	case since.After(now):
		return webhooks.Recovery{}, &InputError{"since", errors.New("the time is yet to come")}
	case now.Sub(since) > webhooks.Kept:
		return webhooks.Recovery{}, &InputError{"since", errors.New("it is longer ago than 30 days, which is how long deliveries are kept")}
	}
	return d.Store.Recover(ctx, id, since, dry) //nolint:wrapcheck // the store says what it did
}
