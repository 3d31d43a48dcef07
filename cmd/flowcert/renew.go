package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/flowcert/flowcert/renew"
	"github.com/flowcert/flowcert/secrets"
)

func (a *app) renewCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "renew TARGET",
		Short: "Ask for the renewal of one target's certificates; apply grants it",
		Long: `Records the wish that the certificates of a target, kind/namespace/name, are
renewed before they are due. Nothing is renewed by it: run apply, which does so
once, by the same rules as ever.`,
		Example: "  flowcert renew eventProcessing/event-automation/my-ep --dir DIR",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.wish(cmd.Context(), args[0])
		},
	}
}

func (a *app) wish(ctx context.Context, target string) error {
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
	marked, err := renew.Wish(plan, state, target)
	if err != nil {
		return err
	}
	if err := a.mark(ctx, s, marked); err != nil {
		return err
	}
	a.print("%s is to be renewed; to do it: %s\n", target, a.line("apply"))
	return nil
}

// mark writes Secrets that got an annotation.
func (a *app) mark(ctx context.Context, s *site, marked []*secrets.Secret) error {
	if len(marked) == 0 {
		return nil
	}
	if err := s.store.Prepare(nil); err != nil {
		return err
	}
	for _, secret := range marked {
		if err := s.store.UpdateSecret(ctx, secret); err != nil {
			return err
		}
	}
	return nil
}
