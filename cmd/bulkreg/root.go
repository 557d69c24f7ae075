package main

import (
	"bufio"
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/worker"
)

// app is what every command works with. Commands touch nothing of the process beyond it.
type app struct {
	environ        []string
	stdin          io.Reader
	stdout, stderr io.Writer
	reached        func(worker.Step) // nil but in builds that tests kill and stop
	tabTime        time.Duration     // how long somebody who presses Tab waits at most

	typed     *bufio.Reader // what a person answers; nil until something is asked
	typedEnds func()
}

// run carries out one command line. Results go to stdout, everything else to stderr. Its error says how the
// process should end: see report.
func run(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) error {
	a := &app{environ: environ, stdin: stdin, stdout: stdout, stderr: stderr, reached: watchSteps(environ), tabTime: completionTime}
	defer a.endQuestions()
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	return asAsked(err, cmd, args)
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "bulkreg",
		Short: "Register domains in bulk, without ever paying twice",
		Long: `bulkreg takes orders of WHOIS checks and domain registrations, carries them out against the
registrar in as few bulk calls as possible, and can always say what happened to every domain.

Start with:  bulkreg dev --demo`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(flagError)
	root.SetVersionTemplate(versionText())
	root.SetHelpCommand(helpCommand())
	root.AddCommand(a.apiCommand())
	root.AddCommand(a.auditCommand())
	root.AddCommand(a.benchCommand())
	root.AddCommand(a.cancelCommand())
	root.AddCommand(a.configCommand())
	root.AddCommand(a.confirmCommand())
	root.AddCommand(a.devCommand())
	root.AddCommand(a.doctorCommand())
	root.AddCommand(a.domainCommand())
	root.AddCommand(a.enqueueCommand())
	root.AddCommand(a.exportCommand())
	root.AddCommand(a.healthcheckCommand())
	root.AddCommand(a.holderCommand())
	root.AddCommand(a.holdsCommand())
	root.AddCommand(a.jobCommand())
	root.AddCommand(a.jobsCommand())
	root.AddCommand(a.keysCommand())
	root.AddCommand(a.manCommand())
	root.AddCommand(a.migrateCommand())
	root.AddCommand(a.orderCommand())
	root.AddCommand(a.ordersCommand())
	root.AddCommand(a.pauseCommand())
	root.AddCommand(a.purgeCommand(), a.pruneCommand())
	root.AddCommand(a.resumeCommand())
	root.AddCommand(a.retryCommand())
	root.AddCommand(a.sandboxCommand())
	root.AddCommand(a.statusCommand())
	root.AddCommand(a.versionCommand())
	root.AddCommand(a.watchCommand())
	root.AddCommand(a.webhooksCommand())
	root.AddCommand(a.whoisCommand())
	root.AddCommand(a.workerCommand())
	return root
}
