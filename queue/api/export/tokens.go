package export

import (
	"context"
	"time"

	"github.com/bulkreg/bulkreg/queue/api/view"

	"github.com/bulkreg/bulkreg/store/record"
	"github.com/bulkreg/bulkreg/store/tokens"

	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/seal"
)

// Tokens are the tokens of an order that are still good while they are written. Without any it needs no key.
type Tokens struct {
	order record.Order
	live  map[uuid.UUID]tokens.Kept
	keys  seal.Keys
	read  time.Time // when they were read; that goes on by this machine's monotonic clock
}

// tokenOut is a token as programs read it.
type tokenOut struct {
	Token       string     `json:"token,omitempty"` // left out when it is not good any more
	RedirectURL string     `json:"redirect_url,omitempty"`
	AccountURL  string     `json:"account_url,omitempty"`
	ExpiresAt   *time.Time `json:"expires_at,omitempty"`
}

// ReadTokens reads the tokens of an order, none of another kind. keys is asked for only where there are some.
func ReadTokens(ctx context.Context, st *store.Store, o record.Order, keys func() (seal.Keys, error)) (*Tokens, error) {
	t := &Tokens{order: o, read: time.Now()}
	if o.Kind != record.Token {
		return t, nil
	}
	var err error
	if t.live, err = st.Tokens.Live(ctx, o.ID); err != nil || len(t.live) == 0 {
		return t, err
	}
	t.keys, err = keys()
	return t, err
}

// of is a job's token, empty where there is none that is good.
func (t *Tokens) of(j record.Job) (tokenOut, error) {
	kept, there := t.live[j.ID]
	if !there || time.Since(t.read) >= kept.Left {
		return tokenOut{}, nil
	}
	token, err := t.keys.OpenToken(kept.Sealed, seal.Job{Source: t.order.Source, Reference: t.order.Reference, ID: j.ID})
	if err != nil {
		return tokenOut{}, err
	}
	return tokenOut{Token: token.Token, RedirectURL: token.RedirectURL, AccountURL: token.AccountURL, ExpiresAt: view.Time(kept.ExpiresAt)}, nil
}

// tokenColumns are those of an export of tokens, behind all others.
func tokenColumns() []string {
	return []string{"privacy_consent", "token", "redirect_url", "account_url", "expires_at"}
}

// cells are those of tokenColumns.
func (t tokenOut) cells(j record.Job) []string {
	consent, expires := "", ""
	if j.PrivacyConsent != nil {
		consent = "false"
		if *j.PrivacyConsent {
			consent = "true"
		}
	}
	if t.ExpiresAt != nil {
		expires = timeCell(*t.ExpiresAt)
	}
	return []string{consent, TextCell(t.Token), TextCell(t.RedirectURL), TextCell(t.AccountURL), expires}
}
