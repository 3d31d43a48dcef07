package main

import (
	"context"
	"errors"
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
		Long: `Opens every store, checks every chain, name and reference, and asks the servers
named in flowcert.yaml for the certificates that they serve.

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
		a.dialAll(ctx, s, state, report)
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

// dialAll asks every server and adds what it found.
func (a *app) dialAll(ctx context.Context, s *site, state *renew.State, report *renew.Report) {
	for _, e := range renew.Endpoints(s.cfg, state) {
		report.Checked++
		err := renew.Dial(ctx, e, state.Now)
		f := renew.Finding{Target: e.Target, Problem: fmt.Sprintf("%s: %v", e.Address, err)}
		switch {
		case errors.Is(err, renew.ErrUnreachable):
			f.Hint = "run verify where the server can be reached, or with --no-dial"
			report.Unknown = append(report.Unknown, f)
		case err != nil:
			f.Hint = "bring the CA of the server's certificate into the source, or correct the server"
			report.Findings = append(report.Findings, f)
		}
	}
}

func (a *app) printReport(r *renew.Report) error {
	if a.json() {
		return a.printJSON(struct {
			Checked  int           `json:"checked"`
			Findings []findingJSON `json:"findings"`
			Unknown  []findingJSON `json:"unknown"`
			Due      []findingJSON `json:"due"`
		}{r.Checked, findingsOutput(r.Findings), findingsOutput(r.Unknown), findingsOutput(r.Due)})
	}
	for _, f := range r.Findings {
		a.print("%s %s\n", a.paint(a.stdout, red, "wrong  "), about(f))
		a.printHint(f.Hint)
	}
	for _, f := range r.Due {
		a.print("%s %s: %s\n", a.paint(a.stdout, cyan, "due    "), f.Target, f.Problem)
	}
	for _, f := range r.Unknown {
		a.print("%s %s\n", a.paint(a.stdout, yellow, "unknown"), about(f))
		a.printHint(f.Hint)
	}
	verdict := a.paint(a.stdout, green, "all is well")
	if len(r.Findings)+len(r.Unknown) > 0 {
		verdict = fmt.Sprintf("%d wrong, %d unknown", len(r.Findings), len(r.Unknown))
	}
	a.print("%s checked: %s\n", plural(r.Checked, "thing"), verdict)
	return nil
}

// about names the target, once.
func about(f renew.Finding) string {
	if strings.Contains(f.Problem, f.Target) {
		return printable(f.Problem)
	}
	return printable(f.Target + ": " + f.Problem)
}

func (a *app) printHint(hint string) {
	if hint != "" {
		a.print("        hint: %s\n", hint)
	}
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
