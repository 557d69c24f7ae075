package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/spf13/cobra"
)

// choices is a flag that takes some of several words, with commas between them or given again.
type choices struct {
	values []string
	words  []string
}

func (c *choices) String() string { return strings.Join(c.values, ",") }
func (c *choices) Type() string   { return "strings" }

// Set refuses every word but those it was made with.
func (c *choices) Set(text string) error {
	for word := range strings.SplitSeq(text, ",") {
		word = strings.TrimSpace(word)
		if !slices.Contains(c.words, word) {
			return fmt.Errorf("want some of %s", strings.Join(c.words, ", "))
		}
		if !slices.Contains(c.values, word) {
			c.values = append(c.values, word)
		}
	}
	return nil
}

// complete completes the word behind the last comma.
func (c *choices) complete(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	before := begun[:strings.LastIndexByte(begun, ',')+1]
	var all []string
	for _, word := range c.words {
		if !slices.Contains(strings.Split(before, ","), word) {
			all = append(all, before+word)
		}
	}
	return all, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// addState gives a command a flag for the states of jobs.
func addState(cmd *cobra.Command, c *choices) {
	for _, s := range record.States() {
		c.words = append(c.words, string(s))
	}
	cmd.Flags().Var(c, "state", "only jobs in this `STATE`, such as failed or unconfirmed; several with commas between them")
	// It fails only for a flag that was not defined, and this one was.
	if err := cmd.RegisterFlagCompletionFunc("state", c.complete); err != nil {
		panic(err)
	}
}

func (c *choices) states() []record.State {
	states := make([]record.State, len(c.values))
	for i, word := range c.values {
		states[i] = record.State(word)
	}
	return states
}
