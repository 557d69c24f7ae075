package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manSection is where manuals of commands stand.
const manSection = "1"

// manCommand writes manuals for packagers. It is no part of everyday's help.
func (a *app) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write a manual page of every command into a folder that exists",
		Long:   `man writes a manual page of every command into a folder that exists, for packages that install them.`,
		Hidden: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("name one folder to write manual pages into")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			header := doc.GenManHeader{Section: manSection, Source: "bulkreg " + version, Manual: "bulkreg", Date: new(time.Time)}
			if built, err := time.Parse(time.RFC3339, thisVersion().CommitTime); err == nil {
				header.Date = &built // the same build writes the same pages
			}
			cmd.Root().DisableAutoGenTag = true
			if err := doc.GenManTree(cmd.Root(), &header, args[0]); err != nil {
				return fmt.Errorf("write manual pages: %w", err)
			}
			return nil
		},
	}
}
