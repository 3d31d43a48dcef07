package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/renew"
)

func (a *app) caCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "ca",
		Short: "Print the root certificates, for browsers and other clients",
		Long: `Prints the authority's root certificates in PEM: what browsers and other clients
of Event Processing have to trust. It prints no key.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.ca(cmd.Context()) },
	}
}

func (a *app) ca(ctx context.Context) error {
	s, err := a.open()
	if err != nil {
		return err
	}
	state, err := a.observe(ctx, s)
	if err != nil {
		return err
	}
	roots, err := renew.Roots(s.cfg, state)
	if err != nil {
		return err
	}
	if len(roots) == 0 {
		return hinted(errors.New("there is no certificate authority yet"), "run "+a.line("apply"))
	}
	if !a.json() {
		a.print("%s", pki.EncodeCertificates(roots...))
		return nil
	}
	out := struct {
		Roots []rootJSON `json:"roots"`
	}{}
	for _, root := range roots {
		out.Roots = append(out.Roots, rootJSON{certificateOutput(root), string(pki.EncodeCertificates(root))})
	}
	return a.printJSON(out)
}

type rootJSON struct {
	certificateJSON
	PEM string `json:"pem"`
}
