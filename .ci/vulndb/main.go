// Command vulndb tells whether the Go vulnerability database answers: exit status 0 if it does, else 1 and the reason.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

func main() {
	base := os.Getenv("GOVULNDB")
	if base == "" {
		base = "https://vuln.go.dev"
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := probe(ctx, base); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// probe reads the index that every scan begins with. A proxy that answers in its place would not send one.
func probe(ctx context.Context, base string) (err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/index/db.json", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", base, response.Status)
	}
	var index struct {
		Modified time.Time `json:"modified"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<16)).Decode(&index); err != nil {
		return fmt.Errorf("read answer of %s: %w", base, err)
	}
	if index.Modified.IsZero() {
		return fmt.Errorf("%s does not answer like a vulnerability database", base)
	}
	return nil
}
