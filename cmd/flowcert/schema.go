package main

import (
	"github.com/spf13/cobra"

	"github.com/flowcert/flowcert/config"
)

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of flowcert.yaml, for editors",
		Long: `Prints a JSON Schema (draft 2020-12) of flowcert.yaml: with it an editor completes
fields, explains them, and underlines what is wrong. Editors with the YAML language
server take it from a comment at the top of flowcert.yaml:

  # yaml-language-server: $schema=flowcert.schema.json

What takes knowledge of several fields at once only the other commands check.`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			a.print("%s", config.Schema())
			return nil
		},
	}
}
