package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/flowcert/flowcert/renew"
)

func (a *app) verifyCommand() *cobra.Command {
	var noDial bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Open every store, check every chain, name and reference, dial the servers",
		Long: `Opens every store with the password that its reader is given, checks every chain,
name and reference, every client's truststore against the servers that it calls, and
the settings by which handshakes fail; and asks the servers named in flowcert.yaml for
the certificates that they serve. What pods in a cluster have loaded is not looked at.

Each line begins with wrong, due (well today, and something is to be done), unknown
(could not be checked) or skipped.

Exit status: 0 all is well, 1 something is wrong, 3 all that could be checked is
well and something could not.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.verify(cmd.Context(), !noDial)
		},
	}
	cmd.Flags().BoolVar(&noDial, "no-dial", false, "open no connection")
	return cmd
}

func (a *app) verify(ctx context.Context, dial bool) error {
	s, err := a.open()
	if err != nil {
		return err
	}
	state, err := a.observe(ctx, s)
	if err != nil {
		return err
	}
	report := renew.Verify(s.cfg, state)
	if dial {
		report.Dial(ctx, state.Now)
	} else {
		report.SkipDial()
	}
	if err := a.printReport(report); err != nil {
		return err
	}
	switch {
	case len(report.Findings) > 0:
		return exit(exitError)
	case len(report.Unknown) > 0:
		return exit(exitWaiting)
	}
	return nil
}

func (a *app) printReport(r *renew.Report) error {
	if a.json() {
		return a.printJSON(struct {
			Checked  int           `json:"checked"`
			Findings []findingJSON `json:"findings"`
			Unknown  []findingJSON `json:"unknown"`
			Due      []findingJSON `json:"due"`
			Skipped  []findingJSON `json:"skipped"`
		}{r.Checked, findingsOutput(r.Findings), findingsOutput(r.Unknown), findingsOutput(r.Due), findingsOutput(r.Skipped)})
	}
	a.printFindings(a.paint(a.stdout, red, "wrong  "), r.Findings)
	a.printFindings(a.paint(a.stdout, cyan, "due    "), r.Due)
	a.printFindings(a.paint(a.stdout, yellow, "unknown"), r.Unknown)
	a.printFindings("skipped", r.Skipped)
	verdict := a.paint(a.stdout, green, "all is well")
	if len(r.Findings)+len(r.Unknown) > 0 {
		verdict = fmt.Sprintf("%d wrong, %d unknown", len(r.Findings), len(r.Unknown))
	}
	if n := len(r.Skipped); n > 0 {
		verdict += fmt.Sprintf("; %d skipped", n)
	}
	a.print("%s checked: %s\n", plural(r.Checked, "thing"), verdict)
	return nil
}

// printFindings prints a line each, and the remedy after the last of those that
// have the same.
func (a *app) printFindings(word string, findings []renew.Finding) {
	for i, f := range findings {
		a.print("%s %s\n", word, about(f))
		if last := i == len(findings)-1; f.Hint != "" && (last || findings[i+1].Target != f.Target || findings[i+1].Hint != f.Hint) {
			a.print("        hint: %s\n", printable(f.Hint))
		}
	}
}

// about names the target, once.
func about(f renew.Finding) string {
	if strings.Contains(f.Problem, f.Target) {
		return printable(f.Problem)
	}
	return printable(f.Target + ": " + f.Problem)
}

type findingJSON struct {
	Target  string `json:"target"`
	Problem string `json:"problem"`
	Hint    string `json:"hint,omitempty"`
}

func findingsOutput(findings []renew.Finding) []findingJSON {
	out := []findingJSON{}
	for _, f := range findings {
		out = append(out, findingJSON(f))
	}
	return out
}
