package main

import (
	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/worker"
	"github.com/bulkreg/bulkreg/worker/gettoken"
)

// connectTokens makes the account of tokens. The caller closes the client.
func connectTokens(cfg config.Config) (worker.Account, *gettoken.Client, error) {
	access, err := cfg.Access()
	if err != nil {
		return worker.Account{}, nil, usageError(err)
	}
	if cfg.Reveals(cfg.TokenURL, addressesOf) {
		return worker.Account{}, nil, usagef("PMG_TOKEN_URL %s", config.Revealing(cfg.TokenURL))
	}
	client, err := gettoken.New(gettoken.Config{
		URL: cfg.TokenURL, Access: access, AllowPlaintext: cfg.RegistrarAllowPlaintext == "1", Hidden: cfg.Secrets(),
		Timeout: cfg.UpstreamTimeout, MaxConns: cfg.TokenConcurrency,
	})
	if err != nil {
		return worker.Account{}, nil, usageError(err)
	}
	return worker.Account{Name: queue.TokenAccount, Tokens: client}, client, nil
}
