package worker

import (
	"context"

	"github.com/bulkreg/bulkreg/worker/registrar"
)

// Upstream is what a worker asks of the registrar, for one account. A method makes one request and never repeats it. What
// it knows of holders it hides in the upstream's words.
type Upstream interface {
	CheckBulk(ctx context.Context, domains []string, known ...registrar.Holder) (registrar.CheckReply, error)
	RegisterBulk(ctx context.Context, registrations []registrar.Registration) (registrar.RegisterReply, error)
	FindHolder(ctx context.Context, search registrar.HolderSearch) (registrar.HolderReply, error)
	CreateHolder(ctx context.Context, h registrar.Holder) (registrar.HolderReply, error)
	Invalidate(generation uint64)
}

var _ Upstream = (*registrar.Client)(nil)

// Account is one set of upstream credentials, under the name that orders give.
type Account struct {
	Name     string
	Upstream Upstream // of a registrar's; nil for the account of tokens
	Tokens   Tokens   // of the account of tokens, queue.TokenAccount; nil for all others
}
