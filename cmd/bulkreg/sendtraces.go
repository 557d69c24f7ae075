package main

import (
	"context"

	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/traces"
)

// sendTraces begins to send traces where the settings say to; nil where they say nowhere, or not well, which the log is told. The caller
// closes it last: what is closed before may have more to tell.
func sendTraces(ctx context.Context, cfg config.Config, service string, log zerolog.Logger) *traces.Sender {
	collector, err := cfg.Collector()
	if err != nil || collector.URL == "" {
		return nil // the first is one of the settings' warnings
	}
	sender, err := traces.Start(context.WithoutCancel(ctx), traces.Config{
		URL: collector.URL, Headers: collector.Headers, Ratio: cfg.TracesRatio, Service: service, Version: version, Log: log.With().Str("role", "traces").Logger(),
	})
	if err != nil {
		log.Warn().Err(err).Msg("no traces are sent")
		return nil
	}
	return sender
}
