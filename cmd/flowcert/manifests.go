package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/install"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/yamledit"
)

func (a *app) manifestsCommand() *cobra.Command {
	var f manifestsFlags
	cmd := &cobra.Command{
		Use:   "manifests",
		Short: "Print the manifests that install flowcert in a cluster",
		Long: `Prints the manifests that install flowcert in a cluster: its ServiceAccount, a Role
in every namespace that it serves, a NetworkPolicy, and the daemon, the bootstrap
Job, or both. It needs no cluster: hand the output to kubectl apply -f -.

With a configuration, the namespaces, the ports of the servers, and the Secrets
and ConfigMaps that are only read are taken from it. --configmap-from also
puts it, and the CA files that it names, into the ConfigMap that the daemon reads;
otherwise make that one yourself:

  kubectl create configmap flowcert -n NAMESPACE --from-file=flowcert.yaml

Nothing is granted for the whole cluster but what --openshift and
--webhook-namespace ask for.

Exit status: 0, 1 error; then nothing is printed.`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error { return a.manifests(f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.kind, "kind", string(install.Daemon), "daemon, job or both")
	flags.StringSliceVar(&f.namespaces, "namespaces", nil, "namespaces to serve beside flowcert's own (default those of the configuration)")
	flags.StringVar(&f.image, "image", install.Image(programVersion()), "image of flowcert")
	flags.BoolVar(&f.openshift, "openshift", false, "let it read the domain of the cluster's routes (a ClusterRole)")
	flags.StringVar(&f.webhookNamespace, "webhook-namespace", "", "let it change the webhook configurations of the Flink operator in this namespace (a ClusterRole; default that of the configuration, with flinkOperator.webhook)")
	flags.StringVar(&f.configMapFrom, "configmap-from", "", "configuration file to put into the ConfigMap, with the files that it names")
	return cmd
}

// manifestsFlags are those of the command line.
type manifestsFlags struct {
	kind, image                     string
	namespaces                      []string
	openshift                       bool
	webhookNamespace, configMapFrom string
}

func (a *app) manifests(f manifestsFlags) error {
	options, err := a.installOptions(f)
	if err != nil {
		return err
	}
	docs, err := install.Manifests(options)
	if err != nil {
		return err
	}
	if err := a.printManifests(docs); err != nil {
		return err
	}
	if options.Config == nil {
		a.say("%s the ConfigMap flowcert is not among them: see flowcert manifests --help", a.paint(a.stderr, yellow, "note:"))
	}
	if options.Image == install.Image(programVersion()) {
		a.say("%s image %s is in no registry: import it on every node, or give --image", a.paint(a.stderr, yellow, "note:"), options.Image)
	}
	return nil
}

// printManifests writes one stream of YAML, or one list in JSON.
func (a *app) printManifests(docs [][]byte) error {
	if !a.json() {
		for i, doc := range docs {
			if i > 0 {
				a.print("---\n")
			}
			a.print("%s", doc)
		}
		return nil
	}
	items := make([]map[string]any, len(docs))
	for i, doc := range docs {
		var err error
		if items[i], err = yamledit.Decode(doc); err != nil {
			return err
		}
	}
	return a.printJSON(map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
}

// installOptions joins the flags with what the configuration says, if there is one.
func (a *app) installOptions(f manifestsFlags) (install.Options, error) {
	o := install.Options{Kind: install.Kind(f.kind), Served: f.namespaces, Image: f.image, OpenShift: f.openshift, WebhookNamespace: f.webhookNamespace}
	if !slices.Contains(install.Kinds(), o.Kind) {
		return o, hinted(fmt.Errorf("--kind %s is nothing to install", f.kind), "use --kind daemon, --kind job or --kind both")
	}
	if o.Image == "" || strings.ContainsAny(o.Image, " \t\n") {
		return o, hinted(fmt.Errorf("--image %q is not an image", f.image), "give one such as registry.example.com/flowcert:1.0.0")
	}
	cfg, err := a.installedConfig(f.configMapFrom)
	if err != nil {
		return o, err
	}
	if cfg == nil {
		o.Namespace = a.namespace
	} else if err := fromConfig(&o, cfg); err != nil {
		return o, err
	}
	if f.configMapFrom != "" {
		if o.Config, err = configMapFiles(cfg); err != nil {
			return o, err
		}
	}
	return o, checkNamespaces(o)
}

// installedConfig loads the configuration that is named, or the one that is found; nil: there is none.
func (a *app) installedConfig(configMapFrom string) (*config.Config, error) {
	if configMapFrom == "" {
		path := a.configFile()
		if _, err := os.Stat(path); err != nil && a.configPath == "" && a.dir == "" {
			if a.namespace == "" {
				return nil, hinted(errors.New("nothing says in which namespace flowcert is to run"), "add -n NAMESPACE, or --config FILE")
			}
			return nil, nil
		}
		return a.load(path)
	}
	if a.configPath != "" && a.configPath != configMapFrom {
		return nil, hinted(errors.New("--config and --configmap-from name two configurations"), "leave --config out")
	}
	cfg, err := config.Load(configMapFrom)
	if err == nil && a.namespace != "" && a.namespace != cfg.Namespace {
		return nil, hinted(fmt.Errorf("%s has namespace %s, and -n says %s", configMapFrom, cfg.Namespace, a.namespace),
			"leave -n out: flowcert runs in the namespace of its configuration")
	}
	return cfg, err
}

// checkNamespaces refuses what is no namespace.
func checkNamespaces(o install.Options) error {
	for _, ns := range slices.Concat([]string{o.Namespace}, o.Served) {
		if err := pki.CheckLabel(ns); err != nil {
			return fmt.Errorf("namespace %q: %w", ns, err)
		}
	}
	if o.WebhookNamespace != "" {
		if err := pki.CheckLabel(o.WebhookNamespace); err != nil {
			return fmt.Errorf("--webhook-namespace: %w", err)
		}
	}
	return nil
}

// fromConfig takes from a configuration what an installation depends on.
func fromConfig(o *install.Options, cfg *config.Config) error {
	o.Namespace = cfg.Namespace
	if o.Served == nil {
		o.Served = cfg.Served()
	}
	if op := cfg.FlinkOperator; op != nil && op.Webhook {
		o.WebhookNamespace = cmp.Or(o.WebhookNamespace, op.Namespace)
	}
	o.Reads = readsElsewhere(cfg, slices.Concat(o.Served, []string{o.Namespace, o.WebhookNamespace}))
	var err error
	o.Ports, err = serverPorts(cfg)
	return err
}
