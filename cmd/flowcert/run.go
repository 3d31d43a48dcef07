package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// Exit codes are a contract: scripts rely on them.
const (
	exitOK      = 0
	exitError   = 1 // or, of verify, any finding
	exitWouldDo = 2 // plan: there is something to do
	exitWaiting = 3 // waiting, blocked, or not everything could be checked
)

// exit is an error that only carries an exit code: what there was to say has
// been said.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// app is one run of the program.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	configPath string
	dir        string
	kubeconfig string
	context    string
	namespace  string
	output     string
	verbose    bool
	adopt      bool
	now        timeFlag
}

// run executes the command line and returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	collectLate()
	out := &output{Writer: stdout}
	a := &app{stdin: stdin, stdout: out, stderr: stderr}
	root := a.command()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var code exit
	switch {
	case errors.As(err, &code):
	case err != nil:
		a.printError(err)
		return exitError
	}
	if out.err != nil {
		a.printError(fmt.Errorf("what was to be printed is lost: %w", out.err))
		return exitError
	}
	return int(code)
}

// command is the whole command tree.
func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "flowcert",
		Short: "Certificates, truststores and their wiring for Event Processing, Flink and their databases",
		Long: `flowcert makes the certificates and truststores that IBM Event Processing and
Apache Flink need, writes them as Kubernetes Secrets, edits the EventProcessing
and FlinkDeployment resources to use them, and keeps all of it valid.

It works on the cluster of the kubeconfig, or on a directory of manifests (--dir).`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	flags := root.PersistentFlags()
	flags.StringVar(&a.configPath, "config", "", "configuration file (default flowcert.yaml in DIR or here, then /etc/flowcert/flowcert.yaml)")
	flags.StringVar(&a.dir, "dir", "", "directory of manifests to work on in place of a cluster; resources are edited in place")
	flags.StringVar(&a.kubeconfig, "kubeconfig", "", "kubeconfig file (default $KUBECONFIG, ~/.kube/config, or the pod's own credentials)")
	flags.StringVar(&a.context, "context", "", "context of the kubeconfig (default its current one)")
	flags.StringVarP(&a.namespace, "namespace", "n", "", "namespace, in place of the configuration's own; of init: see there")
	flags.StringVarP(&a.output, "output", "o", "text", "output: text or json")
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "say on standard error what is read")
	flags.BoolVar(&a.adopt, "adopt", false, "plan and apply: take over what others set in fields of flowcert's, and keep what it trusts")
	flags.Var(&a.now, "now", "act as if it were this time (RFC 3339); apply wants --simulate too")
	root.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usage(cmd, fmt.Errorf("there is no command %q", args[0]))
		}
		return nil
	}
	root.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		a.adopt = a.adopt && (cmd.Name() == "plan" || cmd.Name() == "apply")
		if a.output != "text" && a.output != "json" {
			return hinted(fmt.Errorf("-o %s is not an output", a.output), "use -o text or -o json")
		}
		return notEmpty(cmd)
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usage(cmd, err) })
	root.SetHelpCommand(helpCommand())
	root.AddCommand(a.initCommand(), a.planCommand(), a.applyCommand(), a.runCommand(), a.statusCommand(), a.verifyCommand(), a.renewCommand(),
		a.revertCommand(), a.exportCommand(), a.importCommand(), a.caCommand(), a.inspectCommand(), a.manifestsCommand(), a.schemaCommand(), a.versionCommand())
	return root
}

// usage is an error of the command line.
func usage(cmd *cobra.Command, err error) error {
	return hinted(err, "run "+cmd.CommandPath()+" --help")
}

// notEmpty refuses flags that are given and say nothing, as --dir "$DIR" does where
// DIR is not set: without --dir the command would work on a cluster.
func notEmpty(cmd *cobra.Command) error {
	for _, name := range []string{"config", "context", "dir", "kubeconfig", "namespace"} {
		if f := cmd.Flag(name); f.Changed && f.Value.String() == "" {
			return usage(cmd, fmt.Errorf("--%s is empty", name))
		}
	}
	return nil
}

// noArguments refuses words that a command does not take.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage(cmd, fmt.Errorf("%s takes no argument, but %q is given", cmd.CommandPath(), args[0]))
	}
	return nil
}

// helpCommand is cobra's, with an exit code for a topic that is not there.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [command]",
		Short: "Show the help of a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usage(cmd.Root(), fmt.Errorf("there is no command %q", args[0]))
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

// time is the time of this run: the clock's, or the one that was given.
func (a *app) time() time.Time {
	if !a.now.IsZero() {
		return a.now.Time
	}
	return time.Now()
}

// timeFlag is a time on the command line.
type timeFlag struct{ time.Time }

func (t *timeFlag) Set(s string) error {
	parsed, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return fmt.Errorf("not a time such as 2027-05-01T00:00:00Z")
	}
	t.Time = parsed
	return nil
}

func (t *timeFlag) Type() string { return "time" }

func (t *timeFlag) String() string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}
