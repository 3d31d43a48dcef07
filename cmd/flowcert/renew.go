package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/flowcert/flowcert/renew"
	"github.com/flowcert/flowcert/secrets"
)

func (a *app) renewCommand() *cobra.Command {
	var simulate bool
	cmd := &cobra.Command{
		Use:   "renew TARGET",
		Short: "Ask for the renewal of one target's certificates; apply grants it",
		Long: `Records the wish that the certificates of a target, kind/namespace/name, are
renewed before they are due. Nothing is renewed by it: run apply, which does so
once, by the same rules as ever.

Exit status: 0 the wish is recorded, 1 error; then nothing has been written.`,
		Example: "  flowcert renew eventProcessing/event-automation/my-ep --dir DIR",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage(cmd, fmt.Errorf("flowcert renew takes one target, but %d are given", len(args)))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.meant(simulate); err != nil {
				return err
			}
			return a.wish(cmd.Context(), args[0])
		},
	}
	simulateFlag(cmd, &simulate)
	return cmd
}

func (a *app) wish(ctx context.Context, target string) error {
	s, unlock, err := a.openLocked()
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
	marked, err := renew.Wish(plan, state, target)
	if err != nil {
		return err
	}
	if err := a.mark(ctx, s, marked); err != nil {
		return err
	}
	if a.json() {
		out := wishJSON{Target: target, Secrets: []string{}}
		for _, secret := range marked {
			out.Secrets = append(out.Secrets, secret.Ref.String())
		}
		return a.printJSON(out)
	}
	a.print("%s is to be renewed; to do it: %s\n", target, a.line("apply"))
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
