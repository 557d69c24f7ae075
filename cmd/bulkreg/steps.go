//go:build !crashpoints

package main

import "github.com/bulkreg/bulkreg/worker"

// watchSteps watches nothing: only a build with the tag crashpoints can be told to die or to stop at a step.
func watchSteps([]string) func(worker.Step) { return nil }

func watchSending(upstream worker.Upstream, _ func(worker.Step)) worker.Upstream { return upstream }
