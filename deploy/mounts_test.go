package deploy

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestOrigin: what is behind a path, where mounts lie over one another, show a part
// of a volume, or none.
func TestOrigin(t *testing.T) {
	volume := func(name, secret string, items ...any) map[string]any {
		s := map[string]any{"secretName": secret}
		if len(items) > 0 {
			s["items"] = items
		}
		return map[string]any{"name": name, "secret": s}
	}
	item := func(key, path string) any { return map[string]any{"key": key, "path": path} }
	c := container{
		volumes: []map[string]any{
			volume("all", "s-all"), volume("some", "s-some", item("a.jks", "dir/b.jks")),
			{"name": "disk", "emptyDir": map[string]any{}},
		},
		mounts: []map[string]any{
			{"name": "all", "mountPath": "/data/all"},
			{"name": "disk", "mountPath": "/data/"},
			{"name": "some", "mountPath": "/some"},
			{"name": "all", "mountPath": "/one/file.jks", "subPath": "key.jks"},
			{"name": "some", "mountPath": "/sub", "subPath": "dir"},
			{"name": "all", "mountPath": "/expr", "subPathExpr": "$(POD)"},
			{"name": "gone", "mountPath": "/gone"},
		},
		pairs:       []pair{{"s-pair", "/data/all/deeper"}},
		wroteVolume: func(volume, _ string) bool { return volume == "some" },
		wrotePair:   func(pair) bool { return true },
	}
	for path, want := range map[string]Origin{
		"/data/all/x.jks":         {Secret: "s-all", Key: "x.jks", Field: "volume all"},
		"/data//all/./x.jks":      {Secret: "s-all", Key: "x.jks", Field: "volume all"},
		"/data/all/deeper/x.jks":  {Secret: "s-pair", Key: "x.jks", Field: kubernetesSecrets, Ours: true},
		"/data/allx/x.jks":        {Unknown: "volume disk is not a Secret"},
		"/some/dir/b.jks":         {Secret: "s-some", Key: "a.jks", Field: "volume some", Ours: true},
		"/some/b.jks":             {Secret: "s-some", Key: "b.jks", Field: "volume some", Ours: true, Missing: "volume some shows dir/b.jks there, not b.jks"},
		"/one/file.jks":           {Secret: "s-all", Key: "key.jks", Field: "volume all"},
		"/sub/b.jks":              {Secret: "s-some", Key: "a.jks", Field: "volume some", Ours: true},
		"/expr/b.jks":             {Unknown: "volume all is mounted with subPathExpr"},
		"/gone/b.jks":             {Missing: "there is no volume gone, which is mounted there: the pod would not start"},
		"/opt/java/cacerts":       {Unknown: "nothing is mounted there; it would have to be in the image"},
		"/certs/truststore.jks":   {Missing: "nothing is mounted there"},
		flinkTLSDir + "/keys.jks": {Missing: "nothing is mounted there"},
	} {
		if diff := cmp.Diff(want, c.origin(path), cmpopts.IgnoreUnexported(Origin{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// TestJVMTrustStoresOfRoles: each role has its own template and options, and of an
// option that is there twice the last counts.
func TestJVMTrustStoresOfRoles(t *testing.T) {
	r := resource(t, `apiVersion: flink.apache.org/v1beta1
kind: FlinkDeployment
metadata: {name: f}
spec:
  flinkConfiguration:
    env.java.opts.all: -Djavax.net.ssl.trustStore=/all/t.jks -Djavax.net.ssl.trustStorePassword=one
    env.java.opts.taskmanager: -Djavax.net.ssl.trustStore=/tm/t.jks -Djavax.net.ssl.trustStore="/tm/u.jks"
  podTemplate:
    spec:
      containers: [{name: flink-main-container, volumeMounts: [{name: v, mountPath: /all}]}]
      volumes: [{name: v, secret: {secretName: shared}}]
  taskManager:
    podTemplate:
      spec:
        containers: [{name: flink-main-container, volumeMounts: [{name: v, mountPath: /tm}]}]
`)
	type store struct{ Field, Path, Password, Secret, Key string }
	var got []store
	for _, f := range JVMTrustStores(r) {
		got = append(got, store{f.Field, f.Path, f.Password, f.Origin.Secret, f.Origin.Key})
	}
	want := []store{
		{"env.java.opts.jobmanager", "/all/t.jks", "one", "shared", "t.jks"},
		{"env.java.opts.taskmanager", "/tm/u.jks", "one", "shared", "u.jks"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestPasswordOfAVariable: Kubernetes replaces $(NAME) before the JVM sees it.
func TestPasswordOfAVariable(t *testing.T) {
	for password, want := range map[string]StoreFile{
		"$(WORD)":  {Password: "plainSecret", HasPassword: true},
		"$(REF)":   {HasPassword: true, PasswordFrom: Origin{Secret: "word", Key: "is", Field: "env REF"}},
		"$(OTHER)": {Password: "$(OTHER)", HasPassword: true},
		"plain":    {Password: "plain", HasPassword: true},
		"<word>":   {},
	} {
		r := resource(t, `apiVersion: events.ibm.com/v1beta1
kind: EventProcessing
metadata: {name: my-ep}
spec:
  authoring:
    template:
      pod:
        spec:
          containers:
          - name: backend
            env:
            - {name: WORD, value: plainSecret}
            - {name: REF, valueFrom: {secretKeyRef: {name: word, key: is}}}
            - {name: JAVA_TOOL_OPTIONS, value: "-Djavax.net.ssl.trustStore=/t.jks -Djavax.net.ssl.trustStorePassword=`+password+`"}
`)
		got := JVMTrustStores(r)[0]
		got = StoreFile{Password: got.Password, HasPassword: got.HasPassword, PasswordFrom: got.PasswordFrom}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Origin{}, StoreFile{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", password, diff)
		}
	}
}

// TestOneCommaTooMany: an empty entry of kubernetes.secrets mounts nothing, not
// everything.
func TestOneCommaTooMany(t *testing.T) {
	r := resource(t, configured(`
env.java.opts.all: -Djavax.net.ssl.trustStore=/certs/truststore.jks -Djavax.net.ssl.trustStorePassword=theirSecret
kubernetes.secrets: 'mine:/mine,'
`))
	if got, want := JVMTrustStores(r)[0].Origin.Missing, "nothing is mounted there"; got != want {
		t.Errorf("missing: %q, want %q", got, want)
	}
	if stores, problems := ForeignTrustStores(r); len(stores)+len(problems) > 0 {
		t.Errorf("found %v, problems %v", stores, problems)
	}
}
