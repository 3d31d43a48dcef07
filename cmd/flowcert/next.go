package main

import (
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/renew"
	"github.com/flowcert/flowcert/secrets"
)

// printNext says what a person has to do now, in words that can be pasted.
func (a *app) printNext(s *site, plan *renew.Plan, removed []secrets.Ref) error {
	hand, err := kubectl(s, plan.Files)
	if err != nil {
		return err
	}
	a.print("\n%s\n", a.paint(a.stdout, bold, "What next"))
	a.print("\nHand it to the cluster, Secrets first:\n\n")
	for _, line := range hand {
		a.print("  %s\n", line)
	}
	a.printByHand(plan)
	a.printDelete(removed)
	if s.cfg.Authority.Secret == nil || slices.ContainsFunc(plan.Items, isIntermediate) {
		a.print("\nKeep %s safe, and a copy elsewhere: it holds the authority's key, which no workload\nneeds and which nobody can make again:\n\n  %s authority.age\n", filepath.Join(s.dir, "authority")+"/", a.line("export"))
	}
	a.print("\nTrust the CA in browsers and other clients:\n\n  %s > ca.crt\n", a.line("ca"))
	for _, t := range s.cfg.Truststores {
		a.printTruststore(t)
	}
	return nil
}

// isIntermediate tells what flowcert makes below a CA of the user's.
func isIntermediate(i renew.Item) bool { return i.Role == secrets.RoleIntermediate }

// kubectl are the commands that hand the directory to a cluster: the Secrets,
// then the resources that refer to them. A truststore with public CAs is too
// large for the annotation of a client-side apply, so Secrets go server-side.
// With -n, kubectl refuses objects of other namespaces.
func kubectl(s *site, files []string) ([]string, error) {
	out := []string{"kubectl apply --server-side -f " + quote(filepath.Join(s.dir, "secrets")+"/")}
	var named, bare, mixed string
	for _, f := range files {
		isBare, other, err := s.files.Namespaces(f)
		switch {
		case err != nil:
			return nil, err
		case isBare && other:
			mixed += " -f " + quote(f)
		case isBare:
			bare += " -f " + quote(f)
		default:
			named += " -f " + quote(f)
		}
	}
	if named != "" {
		out = append(out, "kubectl apply"+named)
	}
	if bare != "" {
		out = append(out, "kubectl apply -n "+s.cfg.Namespace+bare)
	}
	if mixed != "" {
		out = append(out, "kubectl config set-context --current --namespace "+s.cfg.Namespace, "kubectl apply"+mixed)
	}
	return out, nil
}

// printByHand shows how what no change of its manifest restarts is restarted.
func (a *app) printByHand(plan *renew.Plan) {
	if len(plan.ByHand) == 0 {
		return
	}
	a.print("\nWhat they mount has changed in place. Five minutes later, when their pods are sure to find it, restart:\n\n")
	for _, r := range plan.ByHand {
		a.print("  %s\n", renew.RestartCommand(r))
	}
}

// printDelete shows how the cluster forgets what this apply removed from the
// directory: to hand the directory over takes nothing away there.
func (a *app) printDelete(removed []secrets.Ref) {
	if len(removed) == 0 {
		return
	}
	names := map[string][]string{} // by namespace
	for _, ref := range removed {
		names[ref.Namespace] = append(names[ref.Namespace], quote(ref.Name))
	}
	a.print("\nOld Secrets that nothing uses any more were removed from the directory; the cluster still has them:\n\n")
	for _, namespace := range slices.Sorted(maps.Keys(names)) {
		a.print("  kubectl delete secret --ignore-not-found -n %s %s\n", quote(namespace), strings.Join(names[namespace], " "))
	}
}

// forgotten are the Secrets, of those that a cluster has, that a plan removes.
func forgotten(plan *renew.Plan) []secrets.Ref {
	var out []secrets.Ref
	for _, action := range plan.Actions {
		f, ok := action.(*renew.Forget)
		if ok && f.Secret.Role() != secrets.RoleRoot && f.Secret.Role() != secrets.RoleIntermediate {
			out = append(out, f.Secret.Ref)
		}
	}
	return out
}

// printTruststore shows how jobs reach the servers behind a truststore.
func (a *app) printTruststore(t config.Truststore) {
	file := secrets.TrustFile(t.Format)
	if urls := jdbcURLs(t); len(urls) > 0 {
		a.print("\nJDBC URLs of truststore %s (all of the parameters are needed: without sslmode pgjdbc\nwould accept a server without TLS):\n\n", t.Name)
		for _, u := range urls {
			a.print("  %s\n", u)
		}
	}
	a.print("\nKafka connectors of Flink jobs, truststore %s:\n\n", t.Name)
	for _, p := range kafkaProperties(t, file) {
		a.print("  %s\n", p)
	}
}

// jdbcURLs are one a PostgreSQL server; without servers a pattern.
func jdbcURLs(t config.Truststore) []string {
	var out []string
	for _, source := range t.Sources {
		for _, server := range source.Servers {
			if server.Protocol == config.PostgreSQL {
				out = append(out, jdbcURL(server.Address))
			}
		}
	}
	if len(out) == 0 && !slices.ContainsFunc(t.Sources, func(s config.Source) bool { return len(s.Servers) > 0 }) {
		out = []string{jdbcURL("HOST:5432")}
	}
	return out
}

// jdbcURL makes pgjdbc verify the server's chain and name by the JVM's
// truststore (pgJDBC documentation, "Configuring the Client").
func jdbcURL(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err == nil {
		address = net.JoinHostPort(host, port)
	}
	return fmt.Sprintf("jdbc:postgresql://%s/DATABASE?sslmode=verify-full&sslfactory=org.postgresql.ssl.DefaultJavaSSLFactory", address)
}

func kafkaProperties(t config.Truststore, file string) []string {
	return []string{
		"'properties.security.protocol' = 'SSL'   -- or SASL_SSL",
		fmt.Sprintf("'properties.ssl.truststore.location' = '/certs/%s'", file),
		fmt.Sprintf("'properties.ssl.truststore.type' = '%s'", t.Format),
		fmt.Sprintf("'properties.ssl.truststore.password' = '…'   -- kubectl get secret %s -n %s -o go-template='{{index .data %q | base64decode}}'",
			passwordSecret(t), t.Namespace, passwordKey(t)),
	}
}

func passwordSecret(t config.Truststore) string {
	if t.Password != nil {
		return t.Password.Name
	}
	return t.Name + "-password"
}

func passwordKey(t config.Truststore) string {
	if t.Password != nil {
		return t.Password.Key
	}
	return secrets.Password
}
