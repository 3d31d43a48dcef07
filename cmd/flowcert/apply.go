package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowcert/flowcert/renew"
	"github.com/flowcert/flowcert/secrets"
)

func (a *app) applyCommand() *cobra.Command {
	var simulate, deployed bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Make what is missing, edit the resources, and say what to do next",
		Long: `Makes the certificate authority, certificates, key stores, truststores and
passwords that are missing or due, writes them as Secret manifests, and edits the
resources in place. Run again, it changes nothing.

What was replaced counts as in use, and is trusted, until you say with --deployed
that the cluster has what replaced it, and rotation.soak has passed.

Exit status: 0 everything is as it should be, 3 waiting or blocked (says for
what), 1 error; after an error found beforehand nothing has been written.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.meant(simulate); err != nil {
				return err
			}
			if timeout <= 0 {
				return usage(cmd, fmt.Errorf("--timeout %s leaves no time", timeout))
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			if a.dir == "" {
				return a.applyToCluster(ctx, deployed)
			}
			return a.stopped(a.apply(ctx, deployed))
		},
	}
	simulateFlag(cmd, &simulate)
	cmd.Flags().BoolVar(&deployed, "deployed", false, "what the manifests refer to has been rolled out")
	cmd.Flags().DurationVar(&timeout, "timeout", 30*time.Minute, "give up after this time")
	return cmd
}

func simulateFlag(cmd *cobra.Command, simulate *bool) {
	cmd.Flags().BoolVar(simulate, "simulate", false, "write although --now is not the present")
}

// meant refuses to write for another time than this without a second word.
func (a *app) meant(simulate bool) error {
	if a.now.IsZero() || simulate {
		return nil
	}
	return hinted(errors.New("--now would write certificates for another time than this"),
		"add --simulate if that is meant, or look with "+a.line("plan")+" --now "+a.now.String())
}

// apply runs one pass, looks again, and reports.
func (a *app) apply(ctx context.Context, deployed bool) error {
	ctx, s, unlock, err := a.openLocked(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	state, plan, err := a.pass(ctx, s)
	if err != nil {
		return err
	}
	if len(plan.Faults) > 0 {
		return a.refuse(plan)
	}
	if deployed {
		if err := a.mark(ctx, s, renew.Deployed(state)); err != nil {
			return err
		}
		if err := a.markBundles(ctx, s, renew.DeployedBundles(state)); err != nil {
			return err
		}
		if state, plan, err = a.pass(ctx, s); err != nil {
			return err
		}
	}
	done := []actionJSON{} // not the actions: they hold on to everything that this pass read
	var removed []secrets.Ref
	for len(plan.Actions) > 0 {
		if len(done) > 0 && !onlyForgets(plan) {
			return a.unfinished(plan)
		}
		if err := a.carryOut(ctx, s, plan, state.Now); err != nil {
			return err
		}
		done, removed = append(done, actionsOutput(plan.Actions)...), append(removed, forgotten(plan)...)
		if state, plan, err = a.pass(ctx, s); err != nil {
			return err
		}
	}
	if len(plan.Faults) > 0 {
		return a.unfinished(plan)
	}
	a.notices(plan)
	if err := a.report(s, state, plan, done, removed); err != nil {
		return err
	}
	if len(plan.Waits) > 0 {
		return exit(exitWaiting)
	}
	return nil
}

// markBundles writes webhook configurations that got the user's word.
func (a *app) markBundles(ctx context.Context, s *site, marked []renew.Reverted) error {
	var files []string
	for _, m := range marked {
		files = append(files, m.Resource.File)
	}
	if len(files) == 0 {
		return nil
	}
	if err := s.store.Prepare(files); err != nil {
		return err
	}
	for _, m := range marked {
		if err := s.store.WriteResource(ctx, m.Resource, m.Source); err != nil {
			return err
		}
		a.detail("marked %s", m.Resource)
	}
	return nil
}

// stopped says in words that time was up, or somebody pressed a key.
func (a *app) stopped(err error) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		err = errors.New("not finished within --timeout")
	case errors.Is(err, context.Canceled):
		err = errors.New("interrupted")
	default:
		return err
	}
	return hinted(err, "run "+a.line("apply")+" again")
}

// carryOut runs the plan and says what was written where it stops.
func (a *app) carryOut(ctx context.Context, s *site, plan *renew.Plan, now time.Time) error {
	finished := 0
	err := renew.Apply(ctx, plan, s.store, now, func(action renew.Action) {
		finished++
		a.progress(action)
	})
	if err == nil {
		return nil
	}
	err = a.stopped(err)
	var refused secrets.Refusal
	switch {
	case errors.As(err, &refused) && finished == 0:
		a.printError(err)
		a.say("nothing was written")
		return exit(exitError)
	case finished == 0:
		a.printError(err)
		a.say("no Secret was written and no resource changed")
		return exit(exitError)
	}
	a.printError(err)
	a.say("%d of %s done; what was written is complete in itself: run %s again to go on",
		finished, plural(len(plan.Actions), "step"), a.line("apply"))
	return exit(exitError)
}

// onlyForgets reports whether a plan does nothing but remove old versions: that
// is what the next pass may find due, because there are new ones.
func onlyForgets(plan *renew.Plan) bool {
	return !slices.ContainsFunc(plan.Actions, func(action renew.Action) bool {
		_, forget := action.(*renew.Forget)
		return !forget
	})
}

// unfinished is the error for a plan after an apply that wants more.
func (a *app) unfinished(plan *renew.Plan) error {
	for _, f := range plan.Faults {
		a.printError(describe(f))
	}
	for _, action := range plan.Actions {
		a.say("not done: %s: %s (%s)", action.Object(), action.What(), action.Reason())
	}
	return hinted(errors.New("what was written does not read back as it should"), "look with "+a.line("verify"))
}

// progress says what was just done.
func (a *app) progress(action renew.Action) {
	v, where := verbOf(action), ""
	if r, ok := action.(*renew.Rewire); ok {
		where = " in " + r.Resource.File
	}
	a.say("%s %s: %s%s", a.paint(a.stderr, v.colour, fmt.Sprintf("%-6s", v.done)), action.Object(), action.What(), where)
}

// report ends an apply: the table, and what next.
func (a *app) report(s *site, state *renew.State, plan *renew.Plan, done []actionJSON, removed []secrets.Ref) error {
	if a.json() {
		return a.printJSON(applyOutput(plan, done))
	}
	if len(done) == 0 && len(plan.Waits) == 0 {
		a.print("Nothing to do: everything is as it should be.\n\n")
	}
	for _, w := range plan.Waits {
		a.print("waiting: %s: %s\n", w.Target, w.For)
	}
	a.printItems(plan, state.Now)
	return a.printNext(s, plan, removed)
}
