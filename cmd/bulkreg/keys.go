package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/queue/api/view"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/keys"
)

func (a *app) keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make, list and revoke the API keys of order systems",
		Long: `keys makes the keys with which order systems call the HTTP API. A key belongs to a source, and sees that source's orders alone. A
source may have several, so that one can be replaced while the other is still good.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.keysCreateCommand(), a.keysListCommand(), a.keysRevokeCommand())
	return cmd
}

func (a *app) keysListCommand() *cobra.Command {
	var (
		source string
		out    output
	)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the keys, of a source or of all",
		Long: `list lists the keys with what they may do, when they were used last, and whether they are still good. What they were made of is
nowhere any more.`,
		Example: `  bulkreg keys list
  bulkreg keys list --source shop -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withReader(cmd.Context(), func(ctx context.Context, st *store.Store) error {
				list, err := st.Keys.List(ctx, source)
				if err != nil {
					return err
				}
				return a.printKeys(out, list)
			})
		},
	}
	cmd.Flags().StringVar(&source, "source", "", "only keys of this source: `NAME` (default: of all)")
	// It fails only for a flag that was not defined, and this one was.
	if err := cmd.RegisterFlagCompletionFunc("source", a.complete(0, keySources)); err != nil {
		panic(err)
	}
	out.addList(cmd)
	return cmd
}

// keyJSON is a key for programs. Its names are part of the interface.
type keyJSON struct {
	ID                  string     `json:"id"`
	Source              string     `json:"source"`
	Role                string     `json:"role"`
	Good                bool       `json:"good"` // neither revoked nor expired
	CreatedAt           time.Time  `json:"created_at"`
	CreatedBy           string     `json:"created_by"`
	ExpiresAt           *time.Time `json:"expires_at"`   // null: never
	RevokedAt           *time.Time `json:"revoked_at"`   // null: it is not
	LastUsedAt          *time.Time `json:"last_used_at"` // to about a minute; null: never
	RevokedBy           string     `json:"revoked_by,omitempty"`
	RequestsPerMinute   int        `json:"requests_per_minute,omitempty"` // left out where it has none of its own, as are the others
	JobsPerDay          int        `json:"jobs_per_day,omitempty"`
	RegistrationsPerDay int        `json:"registrations_per_day,omitempty"`
	JobsPerOrder        int        `json:"jobs_per_order,omitempty"`
}

func keyOut(k keys.Key) keyJSON {
	return keyJSON{
		ID: k.ID, Source: k.Source, Role: k.Role, Good: k.Good(), CreatedAt: k.CreatedAt.UTC(), CreatedBy: k.CreatedBy,
		ExpiresAt: view.Time(k.ExpiresAt), RevokedAt: view.Time(k.RevokedAt), RevokedBy: k.RevokedBy, LastUsedAt: view.Time(k.LastUsedAt),
		RequestsPerMinute: k.Limits.RequestsPerMinute, JobsPerDay: k.Limits.JobsPerDay, RegistrationsPerDay: k.Limits.RegistrationsPerDay,
		JobsPerOrder: k.Limits.JobsPerOrder,
	}
}

func (a *app) printKeys(out output, list []keys.Key) error {
	if out.json() {
		array := newJSONArray(a.stdout)
		for _, k := range list {
			if err := array.add(keyOut(k)); err != nil {
				return err
			}
		}
		return array.end()
	}
	if len(list) == 0 {
		fmt.Fprintln(a.stderr, "There are no keys: `bulkreg keys create NAME` makes one.")
		return nil
	}
	t := out.newTable(a.stdout, "KEY", "SOURCE", "ROLE", "GOOD", "CREATED", "BY", "EXPIRES", "LAST USED", "LIMITS")
	for _, k := range list {
		t.row(k.ID, k.Source, k.Role, goodness(k), timeCell(k.CreatedAt), k.CreatedBy, timeCell(k.ExpiresAt), timeCell(k.LastUsedAt), limitCell(k.Limits))
	}
	return t.end()
}

func goodness(k keys.Key) string {
	switch {
	case !k.RevokedAt.IsZero():
		return "revoked"
	case k.Expired:
		return "expired"
	}
	return "yes"
}

func limitCell(l keys.Limits) string {
	var parts []string
	for _, limit := range []struct {
		n    int
		what string
	}{{l.RequestsPerMinute, "requests/min"}, {l.JobsPerDay, "jobs/day"}, {l.RegistrationsPerDay, "registrations/day"}, {l.JobsPerOrder, "jobs/order"}} {
		if limit.n > 0 {
			parts = append(parts, term.Thousands(limit.n)+" "+limit.what)
		}
	}
	return strings.Join(parts, ", ")
}

// keySources are the sources that have keys.
func keySources(ctx context.Context, st *store.Store, begun string) ([]string, error) {
	return keyWords(ctx, st, begun, func(k keys.Key) string { return k.Source })
}

// keyIDs are the ids of keys that are not revoked.
func keyIDs(ctx context.Context, st *store.Store, begun string) ([]string, error) {
	return keyWords(ctx, st, begun, func(k keys.Key) string {
		if k.RevokedAt.IsZero() {
			return k.ID
		}
		return ""
	})
}

func keyWords(ctx context.Context, st *store.Store, begun string, word func(keys.Key) string) ([]string, error) {
	list, err := st.Keys.List(ctx, "")
	var words []string
	for _, k := range list {
		if w := word(k); w != "" && strings.HasPrefix(w, begun) && !slices.Contains(words, w) && len(words) < completions {
			words = append(words, w)
		}
	}
	return words, err
}
