package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
)

func TestLogger(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		environ []string
		json    bool
		debug   bool
	}{
		"JSON where there is no terminal": {nil, true, false},
		"console on demand":               {[]string{"LOG_FORMAT=console"}, false, false},
		"JSON on demand":                  {[]string{"LOG_FORMAT=json", "LOG_LEVEL=debug"}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, err := config.Load(tc.environ)
			if err != nil {
				t.Fatal(err)
			}
			var stderr syncBuffer
			a := &app{environ: tc.environ, stderr: &stderr}
			log, err := a.newLogger(cfg)
			if err != nil {
				t.Fatal(err)
			}
			log.Debug().Msg("detail")
			debug := stderr.String()
			if (debug != "") != tc.debug {
				t.Errorf("at level %s it wrote %q", cfg.LogLevel, debug)
			}
			log.Info().Int("jobs", 3).Msg("hello")
			line := strings.TrimPrefix(stderr.String(), debug)
			if json.Valid([]byte(line)) != tc.json || !strings.Contains(line, "hello") {
				t.Errorf("got %q, want JSON: %v", line, tc.json)
			}
			if strings.Contains(line, "\x1b") {
				t.Errorf("colors where there is no terminal: %q", line)
			}
		})
	}
}
