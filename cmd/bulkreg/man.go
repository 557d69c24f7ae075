package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/ownfile"

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
			if err := writePages(cmd.Root(), header, args[0]); err != nil {
				return fmt.Errorf("write manual pages: %w", err)
			}
			return nil
		},
	}
}

// writePages writes the page of a command, and of those below it, over what stands there, but through no link of somebody else's.
func writePages(cmd *cobra.Command, header doc.GenManHeader, folder string) error {
	for _, below := range cmd.Commands() {
		if below.IsAvailableCommand() && !below.IsAdditionalHelpTopicCommand() {
			if err := writePages(below, header, folder); err != nil {
				return err
			}
		}
	}
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + "." + header.Section
	path, err := ownfile.Resolve(filepath.Join(folder, name), ownfile.ToWrite)
	if err != nil {
		return err
	}
	page, err := ownfile.Open(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(doc.GenMan(cmd, &header, page), page.Close())
}
