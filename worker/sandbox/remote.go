package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// maxLedger bounds what a Remote reads; a million registrations are about 100 MiB.
const maxLedger = 1 << 30

// Remote controls a sandbox in another process through its endpoints under /sandbox/.
type Remote struct {
	BaseURL string
	Client  *http.Client // http.DefaultClient if nil
}

// Ledger is a copy of everything received and paid so far.
func (r Remote) Ledger(ctx context.Context) (*Ledger, error) {
	var l Ledger
	if err := r.do(ctx, http.MethodGet, "ledger", nil, &l); err != nil {
		return nil, err
	}
	return &l, nil
}

// Inject puts a fault in its place and returns its id.
func (r Remote) Inject(ctx context.Context, f Fault) (id string, err error) {
	var put FaultStatus
	err = r.do(ctx, http.MethodPost, "faults", f, &put)
	return put.ID, err
}

// Faults are the faults in place.
func (r Remote) Faults(ctx context.Context) ([]FaultStatus, error) {
	var list []FaultStatus
	err := r.do(ctx, http.MethodGet, "faults", nil, &list)
	return list, err
}

// Fired is how many requests a fault has hit so far. It fails for a fault that is not in place.
func (r Remote) Fired(ctx context.Context, id string) (int, error) {
	list, err := r.Faults(ctx)
	if err != nil {
		return 0, err
	}
	for _, f := range list {
		if f.ID == id {
			return f.Fired, nil
		}
	}
	return 0, fmt.Errorf("read fault %q: not in place", id)
}

// ClearFaults removes every fault and returns them as they stood.
func (r Remote) ClearFaults(ctx context.Context) ([]FaultStatus, error) {
	var list []FaultStatus
	err := r.do(ctx, http.MethodDelete, "faults", nil, &list)
	return list, err
}

// SetBalance says how many registrations an account can still pay for; negative is Unlimited.
func (r Remote) SetBalance(ctx context.Context, account string, n int) error {
	return r.do(ctx, http.MethodPut, accountPath(account), balanceBody{Balance: &n}, nil)
}

// SetDirectDebit activates or deactivates an account's direct debit.
func (r Remote) SetDirectDebit(ctx context.Context, account string, on bool) error {
	return r.do(ctx, http.MethodPut, accountPath(account), balanceBody{DirectDebit: &on}, nil)
}

func accountPath(account string) string { return "accounts/" + url.PathEscape(account) + "/balance" }

func (r Remote) do(ctx context.Context, method, path string, body, into any) error {
	var out io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("write sandbox request: %w", err)
		}
		out = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(r.BaseURL, "/")+"/sandbox/"+path, out)
	if err != nil {
		return fmt.Errorf("make sandbox request: %w", err)
	}
	client := r.Client
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("ask sandbox: %w", err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxLedger))
	if err != nil {
		return fmt.Errorf("read sandbox answer: %w", err)
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("ask sandbox: %s: %s", response.Status, bytes.TrimSpace(data))
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("read sandbox answer: %w", err)
	}
	return nil
}
