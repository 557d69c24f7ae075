package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/migrations"
)

// versionJSON is what this program is, for programs. Its names are part of the interface.
type versionJSON struct {
	Version      string `json:"version"`
	Go           string `json:"go"`
	Platform     string `json:"platform"`
	Commit       string `json:"commit,omitempty"` // left out where the build does not tell
	CommitTime   string `json:"commit_time,omitempty"`
	Modified     bool   `json:"modified,omitempty"` // there were changes that are in no commit
	SchemaOldest int64  `json:"schema_oldest"`      // the versions of the database's schema that it works on
	SchemaNewest int64  `json:"schema_newest"`      // a newer one may say that it works as well
}

func (a *app) versionCommand() *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show the version of this program, and of the schemas that it works on",
		Long: `version shows the version, what it was built with and from, and on which versions of the database's schema it works. It needs
neither a database nor settings.`,
		Example: `  bulkreg version
  bulkreg version -o json | jq -r .version`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			if out.json() {
				return term.PrintJSON(a.stdout, thisVersion())
			}
			_, err := fmt.Fprint(a.stdout, versionText())
			return err
		},
	}
	out.add(cmd)
	return cmd
}

func thisVersion() versionJSON {
	v := versionJSON{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, SchemaOldest: migrations.Oldest}
	if newest, err := migrations.Latest(); err == nil { // it fails only where no file was built in
		v.SchemaNewest = newest
	}
	if commit != "" { // whoever built it said so
		v.Commit, v.CommitTime, v.Modified = commit, commitTime, strings.HasSuffix(version, "-dirty")
		return v
	}
	build, known := debug.ReadBuildInfo()
	if !known {
		return v
	}
	for _, s := range build.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.time":
			v.CommitTime = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

// versionText is what --version prints, too.
func versionText() string {
	v := thisVersion()
	var text strings.Builder
	fmt.Fprintf(&text, "bulkreg version %s\nbuilt with %s for %s\n", v.Version, v.Go, v.Platform)
	if v.Commit != "" {
		text.WriteString(strings.TrimRight("commit "+v.Commit+" "+v.CommitTime, " "))
		if v.Modified {
			text.WriteString(", with changes that are in no commit")
		}
		text.WriteString("\n")
	}
	schemas := fmt.Sprintf("versions %d to %d", v.SchemaOldest, v.SchemaNewest)
	if v.SchemaOldest == v.SchemaNewest {
		schemas = fmt.Sprintf("version %d", v.SchemaNewest)
	}
	text.WriteString("works on schema " + schemas + ", and on newer ones that say so\n")
	return text.String()
}
