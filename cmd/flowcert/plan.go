package main

import (
	"github.com/spf13/cobra"

	"github.com/flowcert/flowcert/renew"
)

func (a *app) planCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "plan",
		Short: "Show what would change, why, and what restarts; writes nothing",
		Long: `Shows every Secret that would be made and every line that would change, with
the reason and what restarts. Passwords and keys are masked. Writes nothing.

Exit status: 0 nothing to do, 2 there is something to do, 3 waiting or blocked,
1 error.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.open()
			if err != nil {
				return err
			}
			_, plan, err := a.pass(cmd.Context(), s)
			if err != nil {
				return err
			}
			if len(plan.Faults) > 0 && (s.kube == nil || len(plan.Actions) == 0) {
				return a.refuse(plan)
			}
			return a.showPlan(plan)
		},
	}
}

// showPlan prints the plan and returns its exit code.
func (a *app) showPlan(plan *renew.Plan) error {
	if a.json() {
		if err := a.printJSON(planOutput(plan)); err != nil {
			return err
		}
	} else if err := a.printPlan(plan); err != nil {
		return err
	}
	for _, f := range plan.Faults {
		a.printError(describe(f))
	}
	switch {
	case len(plan.Faults) > 0:
		return exit(exitError)
	case len(plan.Actions) > 0:
		return exit(exitWouldDo)
	case len(plan.Waits)+len(plan.Rolling) > 0:
		return exit(exitWaiting)
	}
	return nil
}

// verb names an action.
type verb struct {
	todo, done string
	colour     colour
}

func verbOf(action renew.Action) verb {
	switch action.(type) {
	case *renew.Rewire:
		return verb{"edit", "edited", yellow}
	case *renew.Restart, *renew.RestartPod:
		return verb{"restart", "restarted", yellow}
	case *renew.Adopt:
		return verb{"adopt", "adopted", yellow}
	case *renew.Forget:
		return verb{"remove", "removed", red}
	}
	return verb{"make", "made", green}
}

func (a *app) printPlan(plan *renew.Plan) error {
	for _, action := range plan.Actions {
		v := verbOf(action)
		a.print("%s %s: %s\n", a.paint(a.stdout, v.colour, v.todo), a.paint(a.stdout, bold, action.Object()), action.What())
		a.print("     why: %s\n", action.Reason())
		if r := action.Disturbs(); r != "" {
			a.print("     restarts: %s\n", r)
		}
		if rewire, ok := action.(*renew.Rewire); ok {
			if err := a.printDiff(rewire); err != nil {
				return err
			}
		}
	}
	for _, w := range plan.Waits {
		a.print("%s %s: %s\n", a.paint(a.stdout, yellow, "wait"), w.Target, w.For)
	}
	for _, r := range plan.Rolling {
		a.print("%s %s: %s\n", a.paint(a.stdout, yellow, "rolls"), r.Target, r.For)
	}
	for _, u := range plan.Unfit {
		a.say("%s %s does not work: %s", a.paint(a.stderr, yellow, "note:"), u.Target, u.For)
	}
	a.notices(plan)
	switch {
	case len(plan.Actions) > 0:
		a.print("\n%s; nothing has been written. To do it: %s\n", plural(len(plan.Actions), "step"), a.line("apply"))
	case len(plan.Waits)+len(plan.Rolling) == 0:
		a.print("Nothing to do: everything is as it should be.\n")
	}
	return nil
}
