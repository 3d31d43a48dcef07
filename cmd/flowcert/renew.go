package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/flowcert/flowcert/renew"
	"github.com/flowcert/flowcert/secrets"
)

func (a *app) renewCommand() *cobra.Command {
	var simulate, ca, compromised, yes bool
	cmd := &cobra.Command{
		Use:   "renew TARGET | --ca",
		Short: "Ask for the renewal of a target's certificates, or of the CA; apply grants it",
		Long: `Records the wish that the certificates of a target, kind/namespace/name, are
renewed before they are due. Nothing is renewed by it: run apply, which does so
once, by the same rules as ever.

With --ca the wish is another root, and every certificate under it. The old root
vouches for the new one, so every workload restarts once and nobody has to know
the new root beforehand.

With --compromised the authority's roots are not to be trusted any more, at once:
nothing vouches for the new one, so trust moves first, then the certificates,
then the old roots go, with their keys. Between these steps roll the resources
out and run apply --deployed; rotation.soak does not count. It cannot be taken
back, so it asks, or wants --yes. It is recorded as long as the authority can be
read, whatever else is broken; apply wants that mended.

Exit status: 0 the wish is recorded, 1 error; then nothing has been written.`,
		Example: "  flowcert renew eventProcessing/event-automation/my-ep --dir DIR\n  flowcert renew --ca --dir DIR",
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case ca && len(args) > 0:
				return usage(cmd, fmt.Errorf("flowcert renew --ca takes no target, but %q is given", args[0]))
			case !ca && compromised:
				return usage(cmd, errors.New("--compromised goes with --ca: of a compromised intermediate the root goes too"))
			case !ca && len(args) != 1:
				return usage(cmd, fmt.Errorf("flowcert renew takes one target, but %d are given", len(args)))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.meant(simulate); err != nil {
				return err
			}
			if ca {
				return a.wishRoot(cmd.Context(), compromised, yes)
			}
			return a.wish(cmd.Context(), args[0])
		},
	}
	simulateFlag(cmd, &simulate)
	cmd.Flags().BoolVar(&ca, "ca", false, "another root, and everything under it")
	cmd.Flags().BoolVar(&compromised, "compromised", false, "with --ca: the roots are not to be trusted any more")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

func (a *app) wish(ctx context.Context, target string) error {
	return a.record(ctx, wishing{target: target}, func(_ *site, state *renew.State, plan *renew.Plan) ([]*secrets.Secret, error) {
		return renew.Wish(plan, state, target)
	})
}

func (a *app) wishRoot(ctx context.Context, compromised, yes bool) error {
	w := wishing{target: "the CA", urgent: compromised}
	if compromised && !yes {
		w.question = "every root of the authority is to be distrusted and its key removed, which cannot be taken back"
	}
	return a.record(ctx, w, func(s *site, state *renew.State, _ *renew.Plan) ([]*secrets.Secret, error) {
		return renew.WishRoot(s.cfg, state, compromised)
	})
}

// wishing is how a wish is recorded.
type wishing struct {
	target   string
	question string // asked first, unless empty
	urgent   bool   // what keeps apply from working does not keep it from being recorded
}

// record marks Secrets with a wish.
func (a *app) record(ctx context.Context, w wishing, find func(*site, *renew.State, *renew.Plan) ([]*secrets.Secret, error)) error {
	ctx, s, unlock, err := a.openToMark(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	state, plan, err := a.pass(ctx, s)
	if err != nil {
		return err
	}
	if len(plan.Faults) > 0 && !w.urgent && s.kube == nil {
		return a.refuse(plan)
	}
	marked, err := find(s, state, plan)
	if err != nil {
		return err
	}
	if w.question != "" {
		if err := a.confirm(w.question); err != nil {
			return err
		}
	}
	if err := a.mark(ctx, s, marked); err != nil {
		return err
	}
	a.warn(plan.Faults)
	if a.json() {
		out := wishJSON{Target: w.target, Secrets: []string{}}
		for _, secret := range marked {
			out.Secrets = append(out.Secrets, secret.Ref.String())
		}
		return a.printJSON(out)
	}
	if s.kube != nil {
		a.print("%s is to be renewed; the daemon does it, or: %s\n", w.target, a.line("apply"))
		return nil
	}
	a.print("%s is to be renewed; to do it: %s\n", w.target, a.line("apply"))
	return nil
}

// openToMark opens the store to record a wish. In a cluster that takes no lease:
// whoever holds it is to grant the wish.
func (a *app) openToMark(ctx context.Context) (context.Context, *site, func(), error) {
	if a.dir != "" {
		return a.openLocked(ctx)
	}
	s, err := a.open()
	return ctx, s, func() {}, err
}

// warn names what keeps apply from working, of a wish that was recorded although.
func (a *app) warn(faults []renew.Fault) {
	for _, f := range faults {
		a.printWarning(describe(f))
	}
	if len(faults) > 0 {
		a.say("it is recorded; apply does nothing before this is mended")
	}
}

// confirm asks on a terminal; elsewhere nobody can answer, and it is refused.
func (a *app) confirm(question string) error {
	f, ok := a.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return hinted(errors.New(question), "add --yes if that is meant")
	}
	fmt.Fprintf(a.stderr, "%s; go on? [yes/no] ", question)
	answer, _ := bufio.NewReader(f).ReadString('\n')
	if strings.TrimSpace(answer) != "yes" {
		return hinted(errors.New("not confirmed; nothing was written"), "answer yes, or add --yes")
	}
	return nil
}

type wishJSON struct {
	Target  string   `json:"target"`
	Secrets []string `json:"secrets"` // that are to be replaced
}

// mark writes Secrets that got an annotation; all of them or, where one cannot
// be written, none.
func (a *app) mark(ctx context.Context, s *site, marked []*secrets.Secret) error {
	var err error
	for _, secret := range marked {
		err = errors.Join(err, s.store.CheckOwn(secret))
	}
	if err != nil || len(marked) == 0 {
		return err
	}
	if err := s.store.Prepare(nil); err != nil {
		return err
	}
	for _, secret := range marked {
		if err := s.store.UpdateSecret(ctx, secret); err != nil {
			return err
		}
		a.detail("marked %s", secret.Ref)
	}
	return nil
}
