package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
)

// usualNamespace is where the product's documentation puts its resources.
const usualNamespace = "event-automation"

func (a *app) initCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "init",
		Short: "Write a starting configuration for the resources found",
		Long: `Looks through the directory and writes a short flowcert.yaml for what it finds:
EventProcessing and FlinkDeployment resources, with the TLS settings that they
show, and the CA certificates (*.pem, *.crt) of the databases that they call. It
says in comments what it could not tell, and what it left out.

In a directory --namespace is that of manifests that name none (default the
commonest of the others, else ` + usualNamespace + `). In a cluster it is the one to look in
(default the context's), and CA files are those in the present folder.

The file is flowcert.yaml, in DIR where --dir is given, or the one that --config names. One that is there is
never overwritten. Nothing else is written.

Exit status: 0 the file is written, 1 error.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.init(cmd.Context(), a.namespace) },
	}
}

func (a *app) init(ctx context.Context, namespace string) error {
	if err := a.checkFlags(); err != nil {
		return err
	}
	path := a.configFile()
	if _, err := os.Lstat(path); err == nil {
		return a.configExists(path)
	}
	if namespace != "" {
		if err := pki.CheckLabel(namespace); err != nil {
			return hinted(fmt.Errorf("--namespace: %w", err), "give the namespace of your workloads")
		}
	}
	found, err := a.find(ctx, namespace, path)
	if err != nil {
		return err
	}
	text := found.text(a)
	if _, err := config.Parse(strings.NewReader(text)); err != nil {
		return fmt.Errorf("the configuration for what was found would be refused: %w", err)
	}
	err = secrets.WriteNew(path, []byte(text), 0o644)
	if errors.Is(err, fs.ErrExist) {
		return a.configExists(path)
	}
	if err != nil {
		return err
	}
	return a.printFound(found, path)
}

func (a *app) configExists(path string) error {
	return hinted(fmt.Errorf("%s is there already", path), "edit it; or move it away to begin anew. "+a.line("plan")+" shows what it asks for")
}

// printFound says what the configuration was made from, and what next.
func (a *app) printFound(found *finding, path string) error {
	for _, note := range found.notes() {
		a.say("%s %s", a.paint(a.stderr, yellow, "note:"), printable(note))
	}
	next, about := a.line("plan"), ""
	if found.foreign() {
		next, about = a.line("plan --adopt"), " --adopt takes\nover what somebody else set, and keeps what it trusts."
	}
	if a.json() {
		return a.printJSON(found.output(path, next))
	}
	instances, clusters := active(found.of(deploy.EventProcessingKind)), active(found.of(deploy.FlinkDeploymentKind))
	a.print("wrote %s: namespace %s, %s, %s, %s\n", path, found.namespace,
		plural(len(instances), deploy.EventProcessingKind+" instance"), plural(len(clusters), deploy.FlinkDeploymentKind), plural(len(found.sources()), "CA file"))
	a.print("\n%s\n\nLook it through, then see what would be done; nothing is written by that.%s\n\n  %s\n", a.paint(a.stdout, bold, "What next"), about, next)
	return nil
}
