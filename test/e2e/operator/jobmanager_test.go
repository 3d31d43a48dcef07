//go:build e2e

package operator

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/flowcert/flowcert/test/double"
	"github.com/flowcert/flowcert/test/operator"
	"github.com/flowcert/flowcert/truststore"
)

// jobManagers plays the JobManagers of a site's clusters, as far as the operator calls their REST endpoints: the programs in
// their pods are not there. Each serves what its configuration, which the operator wrote, says, from the Secrets that its
// pod loaded when it started.
type jobManagers struct {
	site *site
	pods *double.Double

	mutex   sync.Mutex
	calls   []call
	refused []string             // handshakes, by the words of the TLS library
	stopped map[string]bool      // jobs, by the pod that ran them
	serving map[string]*endpoint // by pod
	passed  map[string]string    // addresses to which connections are passed on, by cluster
}

// A call is a request of the operator's.
type call struct {
	cluster, method, path string
	leaf                  *x509.Certificate // that it accepted; nil: no TLS
}

// An endpoint is what a pod serves.
type endpoint struct {
	pod  string
	tls  *tls.Config // nil: no TLS
	leaf *x509.Certificate
	conf map[string]string
}

func playJobManagers(s *site, pods *double.Double) *jobManagers {
	return &jobManagers{site: s, pods: pods, stopped: map[string]bool{}, serving: map[string]*endpoint{}, passed: map[string]string{}}
}

// listen plays a cluster's and returns the port.
func (j *jobManagers) listen(t *testing.T, o *operator.Operator, cluster string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := o.SetHost(cluster+"-rest."+j.site.namespace, "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: j.handler(cluster), ErrorLog: log.New(refusals{j, cluster}, "", 0)}
	go server.Serve(restListener{listener, j, cluster})
	t.Cleanup(func() { _ = server.Close() })
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}

// passOn has a real JobManager at the address answer for a cluster: every byte of its connections is passed on.
func (j *jobManagers) passOn(cluster, address string) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	j.passed[cluster] = address
}

func (j *jobManagers) passedTo(cluster string) string {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	return j.passed[cluster]
}

// restListener answers for the pod that runs when a connection comes.
type restListener struct {
	net.Listener
	*jobManagers
	cluster string
}

func (l restListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if address := l.passedTo(l.cluster); address != "" {
			go pass(conn, address)
			continue
		}
		switch e := l.endpoint(l.cluster); {
		case e == nil:
			_ = conn.Close()
		case e.tls == nil:
			return conn, nil
		default:
			return tls.Server(conn, e.tls), nil
		}
	}
}

// pass joins a connection with one to the address, until one of them ends.
func pass(conn net.Conn, address string) {
	defer conn.Close()
	to, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer to.Close()
	ended := make(chan error, 2)
	for _, way := range [][2]net.Conn{{to, conn}, {conn, to}} {
		go func() {
			_, err := io.Copy(way[0], way[1])
			ended <- err
		}()
	}
	<-ended
}

// refusals takes what the HTTP server logs.
type refusals struct {
	*jobManagers
	cluster string
}

func (r refusals) Write(text []byte) (int, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.refused = append(r.refused, r.cluster+": "+strings.TrimSpace(string(text)))
	return len(text), nil
}

// endpoint is what the running pod of a cluster serves; nil if there is none.
func (j *jobManagers) endpoint(cluster string) *endpoint {
	ctx := context.Background()
	pods, err := j.pods.Running(ctx, j.site.namespace)
	if err != nil {
		return nil
	}
	i := slices.IndexFunc(pods, func(p double.Pod) bool { return p.Labels["app"] == cluster && p.Labels["component"] == "jobmanager" })
	if i < 0 {
		return nil
	}
	pod := pods[i]
	j.mutex.Lock()
	defer j.mutex.Unlock()
	if e := j.serving[pod.Name]; e != nil {
		return e
	}
	e := &endpoint{pod: pod.Name, conf: j.configuration(ctx, cluster)}
	if e.conf == nil {
		return nil
	}
	if e.conf["security.ssl.rest.enabled"] == "true" {
		cert, err := keyStoreOf(pod, e.conf)
		if err != nil {
			j.refused = append(j.refused, cluster+": "+err.Error())
			return nil
		}
		e.tls, e.leaf = &tls.Config{Certificates: []tls.Certificate{cert}}, cert.Leaf
	}
	j.serving[pod.Name] = e
	return e
}

// configuration is the flink-conf.yaml that the operator made for a cluster's pods; nil if there is none.
func (j *jobManagers) configuration(ctx context.Context, cluster string) map[string]string {
	u, err := j.site.Dynamic.Resource(configMapGVR).Namespace(j.site.namespace).Get(ctx, "flink-config-"+cluster, metav1.GetOptions{})
	if err != nil {
		return nil
	}
	files, _, _ := unstructured.NestedStringMap(u.Object, "data")
	conf, err := flinkConf(files)
	if err != nil {
		return nil
	}
	return conf
}

// keyStoreOf opens the key store that the configuration names, among the files of the Secrets that the pod loaded.
func keyStoreOf(pod double.Pod, conf map[string]string) (tls.Certificate, error) {
	file := path.Base(conf["security.ssl.keystore"])
	for _, loaded := range pod.Secrets {
		data, ok := loaded.Data[file]
		if !ok {
			continue
		}
		store, err := truststore.Open(data, conf["security.ssl.keystore-password"])
		if err != nil || len(store.Keys) != 1 {
			return tls.Certificate{}, fmt.Errorf("%s: %d keys: %w", file, len(store.Keys), err)
		}
		cert := tls.Certificate{PrivateKey: store.Keys[0].Key, Leaf: store.Keys[0].Chain[0]}
		for _, c := range store.Keys[0].Chain {
			cert.Certificate = append(cert.Certificate, c.Raw)
		}
		return cert, nil
	}
	return tls.Certificate{}, fmt.Errorf("the pod has no %s", file)
}

// noCheckpoints are the statistics of a job that made none so far.
var noCheckpoints = strings.ReplaceAll(`{"counts":{"restored":0,"total":0,"in_progress":0,"completed":0,"failed":0},"summary":{"checkpointed_size":NONE,`+
	`"state_size":NONE,"end_to_end_duration":NONE,"alignment_buffered":NONE,"processed_data":NONE,"persisted_data":NONE},`+
	`"latest":{"completed":null,"savepoint":null,"failed":null,"restored":null},"history":[]}`,
	"NONE", `{"min":0,"max":0,"avg":0,"p50":0,"p90":0,"p95":0,"p99":0,"p999":0}`)

// handler answers as Flink's documentation of its REST API has it.
func (j *jobManagers) handler(cluster string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := j.endpoint(cluster)
		if e == nil {
			http.Error(w, "there is no JobManager", http.StatusServiceUnavailable)
			return
		}
		c := call{cluster: cluster, method: r.Method, path: r.URL.Path}
		if r.TLS != nil {
			c.leaf = e.leaf
		}
		j.mutex.Lock()
		j.calls = append(j.calls, c)
		state := "RUNNING"
		if j.stopped[e.pod] {
			state = "FINISHED"
		}
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/stop") {
			j.stopped[e.pod] = true
		}
		j.mutex.Unlock()
		job := e.conf["$internal.pipeline.job-id"]
		w.Header().Set("Content-Type", "application/json")
		switch at := strings.TrimPrefix(r.URL.Path, "/v1"); {
		case at == "/config":
			io.WriteString(w, `{"refresh-interval":3000,"timezone-name":"UTC","timezone-offset":0,"flink-version":"1.18.1","flink-revision":"0","features":{"web-submit":false,"web-cancel":false,"web-rescale":false,"web-history":false}}`)
		case at == "/taskmanagers":
			io.WriteString(w, `{"taskmanagers":[]}`)
		case at == "/jobs/overview" && e.conf["execution.target"] == "kubernetes-application":
			fmt.Fprintf(w, `{"jobs":[{"jid":%q,"name":"job","state":%q,"start-time":1700000000000,"end-time":-1,"duration":1,"last-modification":1700000000000,`+
				`"tasks":{"total":1,"created":0,"scheduled":0,"deploying":0,"running":1,"finished":0,"canceling":0,"canceled":0,"failed":0,"reconciling":0,"initializing":0}}]}`, job, state)
		case at == "/jobs/overview":
			io.WriteString(w, `{"jobs":[]}`)
		case at == "/jobs/"+job+"/stop":
			w.WriteHeader(http.StatusAccepted)
			io.WriteString(w, `{"request-id":"000000000000000000000000000000bb"}`)
		case strings.HasPrefix(at, "/jobs/"+job+"/savepoints/"):
			fmt.Fprintf(w, `{"status":{"id":"COMPLETED"},"operation":{"location":"file:///flink/savepoints/of-%s"}}`, e.pod)
		case at == "/jobs/"+job+"/checkpoints":
			io.WriteString(w, noCheckpoints)
		case at == "/jobs/"+job+"/exceptions":
			io.WriteString(w, `{"exceptionHistory":{"entries":[],"truncated":false}}`)
		default:
			http.NotFound(w, r)
		}
	})
}

// seen is what was recorded since it was taken.
func (j *jobManagers) seen() (calls []call, refused []string) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	return slices.Clone(j.calls), slices.Clone(j.refused)
}

// taken returns what was recorded so far, and forgets it.
func (j *jobManagers) taken() (calls []call, refused []string) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	calls, refused, j.calls, j.refused = j.calls, j.refused, nil, nil
	return calls, refused
}
