package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowcert/flowcert/renew"
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

Exit status: 0 everything is as it should be, 3 waiting or blocked (says for
what), 1 error; after an error found beforehand nothing has been written.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !a.now.IsZero() && !simulate {
				return hinted(errors.New("--now would write certificates for another time than this"), "add --simulate if that is meant, or look with "+a.line("plan")+" --now "+a.now.String())
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			return a.stopped(a.apply(ctx, deployed))
		},
	}
	cmd.Flags().BoolVar(&simulate, "simulate", false, "write although --now is not the present")
	cmd.Flags().BoolVar(&deployed, "deployed", false, "what the manifests refer to has been rolled out: what they referred to before goes out of use after rotation.soak")
	cmd.Flags().DurationVar(&timeout, "timeout", 30*time.Minute, "give up after this time")
	return cmd
}

// apply runs one pass, looks again, and reports.
func (a *app) apply(ctx context.Context, deployed bool) error {
	s, err := a.open()
	if err != nil {
		return err
	}
	unlock, err := s.store.Lock()
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
		if state, plan, err = a.pass(ctx, s); err != nil {
			return err
		}
	}
	done := plan.Actions
	if len(done) > 0 {
		if err := a.carryOut(ctx, s, plan, state.Now); err != nil {
			return err
		}
		if state, plan, err = a.pass(ctx, s); err != nil {
			return err
		}
		if err := a.unfinished(plan); err != nil {
			return err
		}
	}
	a.notices(plan)
	if err := a.report(s, state, plan, done); err != nil {
		return err
	}
	if len(plan.Waits) > 0 {
		return exit(exitWaiting)
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
	if finished == 0 {
		if hintOf(err) == "" {
			err = hinted(err, "run "+a.line("apply")+" again")
		}
		a.printError(err)
		a.say("nothing was written")
		return exit(exitError)
	}
	a.printError(err)
	a.say("%d of %s done; what was written is complete in itself: run %s again to go on",
		finished, plural(len(plan.Actions), "step"), a.line("apply"))
	return exit(exitError)
}

// unfinished looks at the plan after an apply: it must be empty.
func (a *app) unfinished(plan *renew.Plan) error {
	for _, f := range plan.Faults {
		a.printError(describe(f))
	}
	for _, action := range plan.Actions {
		a.say("not done: %s: %s (%s)", action.Object(), action.What(), action.Reason())
	}
	if len(plan.Faults)+len(plan.Actions) > 0 {
		return hinted(errors.New("what was written does not read back as it should"), "look with "+a.line("verify"))
	}
	return nil
}

// progress says what was just done.
func (a *app) progress(action renew.Action) {
	if r, ok := action.(*renew.Rewire); ok {
		a.say("%s %s: %s in %s", a.paint(a.stderr, yellow, "edited"), action.Object(), action.What(), r.Resource.File)
		return
	}
	a.say("%s %s: %s", a.paint(a.stderr, green, "made  "), action.Object(), action.What())
}

// report ends an apply: the table, and what next.
func (a *app) report(s *site, state *renew.State, plan *renew.Plan, done []renew.Action) error {
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
	return a.printNext(s, plan)
}
