package operator

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/flowcert/flowcert/test/tools"
)

// WebhookOptions say how the operator's webhook runs.
type WebhookOptions struct {
	KubeConfig string // path, as for the operator
	Namespace  string // the operator's
	Port       string
	Password   string            // of the key store
	Secret     map[string][]byte // webhook-server-cert, of which keystore.p12 is mounted
}

// A Webhook is a running one: the second container of the operator's pod.
type Webhook struct{ process }

// StartWebhook starts the webhook. It wants an operator that was built with it, see [Needs]; the folder of tools.Operator then has its jar.
func StartWebhook(t testing.TB, options WebhookOptions) (*Webhook, error) {
	t.Helper()
	jars, err := filepath.Glob(filepath.Join(tools.Operator(t), "flink-kubernetes-webhook-*.jar"))
	if err != nil || len(jars) != 1 {
		t.Fatalf("%d jars of the webhook in %s", len(jars), tools.Operator(t))
	}
	w := &Webhook{}
	if err := w.prepare("certs", nil); err != nil {
		return nil, err
	}
	if err := w.Mount(options.Secret, func() {}); err != nil {
		return nil, err
	}
	w.cmd = tools.JavaCommand(context.Background(), tools.JDKs(t)[0], classPath(t)+string(filepath.ListSeparator)+jars[0],
		[]string{"-Xmx512m", w.logging()}, "org.apache.flink.kubernetes.operator.admission.FlinkOperatorWebhook")
	w.cmd.Env = append(w.cmd.Env, "KUBECONFIG="+options.KubeConfig, "OPERATOR_NAMESPACE="+options.Namespace,
		"WEBHOOK_KEYSTORE_FILE="+filepath.Join(w.certs(), "keystore.p12"), "WEBHOOK_KEYSTORE_TYPE=pkcs12",
		"WEBHOOK_KEYSTORE_PASSWORD="+options.Password, "WEBHOOK_SERVER_PORT="+options.Port)
	return w, w.start()
}

func (w *Webhook) certs() string { return filepath.Join(w.dir, "certs") }

// Mount puts a Secret where the webhook reads it, in the steps of a kubelet: the file is a link that leads through the link ..data into
// a folder of this version, and ..data is replaced when that folder is complete (AtomicWriter of Kubernetes). It calls begun when there is
// the new folder and the old file still.
func (w *Webhook) Mount(secret map[string][]byte, begun func()) error {
	data := filepath.Join(w.certs(), "..data")
	old, _ := os.Readlink(data)
	folder, err := os.MkdirTemp(w.certs(), "..")
	if err != nil {
		return err
	}
	if err := os.Chmod(folder, 0o755); err != nil {
		return err
	}
	begun()
	if err := os.WriteFile(filepath.Join(folder, "keystore.p12"), secret["keystore.p12"], 0o600); err != nil {
		return err
	}
	if err := os.Symlink(filepath.Base(folder), data+"_tmp"); err != nil {
		return err
	}
	if err := os.Rename(data+"_tmp", data); err != nil {
		return err
	}
	if old != "" {
		return os.RemoveAll(filepath.Join(w.certs(), old))
	}
	return os.Symlink(filepath.Join("..data", "keystore.p12"), filepath.Join(w.certs(), "keystore.p12"))
}
