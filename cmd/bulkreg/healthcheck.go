package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
)

// healthcheckTime is how long an answer may take.
const healthcheckTime = 3 * time.Second

// errNotThere says that somebody answers, and knows nothing of what was asked for.
var errNotThere = errors.New("there is no such page")

func (a *app) healthcheckCommand() *cobra.Command {
	var ready bool
	cmd := &cobra.Command{
		Use:   "healthcheck [URL]",
		Short: "Ask the bulkreg that runs here whether it lives, or is ready",
		Long: `healthcheck asks the worker or the API of this machine or container for /healthz, and ends with 0 where it answers with 200. It is for
images that hold nothing else that could ask.

It asks at METRICS_ADDR and at HTTP_ADDR, one of which must answer, or at a URL, such as that of a sandbox. The other settings may be wrong: whoever
runs was told so when it began.`,
		Example: `  bulkreg healthcheck
  bulkreg healthcheck --ready
  bulkreg healthcheck http://127.0.0.1:8081/sandbox/ledger`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("give one URL, or none")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), healthcheckTime)
			defer cancel()
			ask := func() error { return askHealth(ctx, a.environ, ready) }
			if len(args) == 1 {
				ask = func() error { return askHealthAt(ctx, args[0], ready) }
			}
			if err := ask(); err != nil {
				return err
			}
			_, err := fmt.Fprintln(a.stdout, "ok")
			return err
		},
	}
	cmd.Flags().BoolVar(&ready, "ready", false, "ask for /readyz: whether it can work now")
	return cmd
}

func askHealthAt(ctx context.Context, given string, ready bool) error {
	if u, err := url.Parse(given); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return usagef("%q is no URL to ask at: give one such as http://127.0.0.1:8080/healthz", given)
	}
	if ready {
		return usagef("--ready asks at METRICS_ADDR and HTTP_ADDR: leave it or the URL out")
	}
	return asksWell(ctx, given)
}

// askHealth asks wherever a bulkreg with these settings may listen. Where nobody does, another one of its roles runs.
func askHealth(ctx context.Context, environ []string, ready bool) error {
	path := "/healthz"
	if ready {
		path = "/readyz"
	}
	var refused error
	answered := false
	for _, base := range listeningAt(environ) {
		switch err := asksWell(ctx, base+path); {
		case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, errNotThere): // the API's metrics know nothing of readiness
			refused = errors.Join(refused, err)
		case err != nil:
			return err
		default:
			answered = true
		}
	}
	if answered {
		return nil
	}
	if refused == nil {
		return errors.New("nobody can be asked: METRICS_ADDR and HTTP_ADDR are no addresses")
	}
	return refused
}

// listeningAt are the roots at which a worker and an API with these settings are asked from the same machine.
func listeningAt(environ []string) []string {
	values := map[string]string{}
	for _, setting := range config.EffectiveOf(environ) {
		values[setting.Variable] = setting.Value
	}
	var roots []string
	for _, variable := range []string{"METRICS_ADDR", "HTTP_ADDR"} {
		host, port, err := net.SplitHostPort(values[variable])
		if err != nil {
			continue // off, or wrong
		}
		if host == "" || host == "0.0.0.0" || host == "::" {
			host = "localhost"
		}
		scheme := "http://"
		if variable == "HTTP_ADDR" && values["HTTP_TLS_CERT"] != "" {
			scheme = "https://"
		}
		roots = append(roots, scheme+net.JoinHostPort(host, port))
	}
	return roots
}

// asksWell asks at a URL, and is nil where the answer is 200. Redirects are not followed.
func asksWell(ctx context.Context, at string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", at, err)
	}
	client := http.Client{
		Transport: &http.Transport{
			DisableKeepAlives: true,
			// The certificate is for those who call from elsewhere by its name. Nothing is told here, and only a status is read.
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // as it says
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("ask for health: %w", err)
	}
	if err := response.Body.Close(); err != nil {
		return fmt.Errorf("ask for health: %w", err)
	}
	if response.StatusCode == http.StatusNotFound {
		return fmt.Errorf("ask %s: %w", at, errNotThere)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", at, strings.ToLower(response.Status))
	}
	return nil
}
