package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowcert/flowcert/renew"
)

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show everything under management, when it ends and when it is renewed",
		Long: `Shows every certificate and store under management: when it ends, when
it is renewed, who refers to it, and whether it is as it should be.

Exit status: 0 the table is complete, 1 error.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.open()
			if err != nil {
				return err
			}
			state, plan, err := a.pass(cmd.Context(), s)
			if err != nil {
				return err
			}
			return a.status(plan, state.Now)
		},
	}
}

func (a *app) status(plan *renew.Plan, now time.Time) error {
	a.notices(plan)
	if a.json() {
		if err := a.printJSON(statusOutput(plan)); err != nil {
			return err
		}
	} else {
		a.printItems(plan, now)
	}
	for _, f := range plan.Faults {
		a.printError(describe(f))
	}
	if len(plan.Faults) > 0 {
		return exit(exitError)
	}
	return nil
}

// printItems is the table of what is under management.
func (a *app) printItems(plan *renew.Plan, now time.Time) {
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "WHAT\tIS\tSECRET\tENDS\tRENEWS\tLOADED\tSTATE")
	for _, i := range plan.Items {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", i.Target, i.Role, i.Name, date(i.NotAfter), due(i.RenewAt, now), i.Loaded, i.State)
	}
	w.Flush()
	if len(plan.Items) == 0 {
		a.print("nothing is under management yet\n")
	}
}

func date(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.DateOnly)
}

// due is the day of a renewal; one that is past waits for something.
func due(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	if !now.Before(t) {
		return date(t) + " (due)"
	}
	return date(t)
}
