package main

import (
	"os"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/term"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
)

// newLogger writes to stderr: lines for people on a terminal, JSON elsewhere, unless the settings say which.
func (a *app) newLogger(cfg config.Config) (zerolog.Logger, error) {
	level, err := zerolog.ParseLevel(cfg.LogLevel)
	if err != nil {
		return zerolog.Logger{}, usagef("LOG_LEVEL: %w", err)
	}
	w, terminal := a.stderr, isTerminal(a.stderr)
	if cfg.LogFormat == "console" || cfg.LogFormat == "" && terminal {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly, NoColor: !terminal || a.variable("NO_COLOR") != ""}
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger(), nil
}

// isTerminal says whether a person looks at a stream.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
