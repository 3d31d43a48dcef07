package flink

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"path"
	"strings"
	"testing"
	"time"
)

// A Client calls a cluster's REST endpoint under a name, and verifies it.
type Client struct {
	cluster *Cluster
	http    *http.Client
	base    string
}

// Client returns a client that trusts the certificates in a PEM, and nothing else. It calls the endpoint by
// the name <name>-rest.<namespace>, as Flink's operator does.
func (c *Cluster) Client(t testing.TB, rootsPEM []byte) *Client {
	t.Helper()
	roots := x509.NewCertPool()
	if len(rootsPEM) > 0 && !roots.AppendCertsFromPEM(rootsPEM) {
		t.Fatal("no certificate in the PEM")
	}
	dialer := net.Dialer{Timeout: 20 * time.Second}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, net.JoinHostPort(c.Address, RESTPort))
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &Client{
		cluster: c, http: &http.Client{Transport: transport, Timeout: time.Minute},
		base: fmt.Sprintf("https://%s-rest.%s:%s", c.Name, c.Namespace, RESTPort),
	}
}

// Get reads the JSON at a path.
func (c *Client) Get(path string, into any) error {
	return c.do(http.MethodGet, path, "", nil, into)
}

func (c *Client) do(method, path, contentType string, body io.Reader, into any) error {
	request, err := http.NewRequest(method, c.base+path, body)
	if err != nil {
		return err
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, answer)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

// TaskManagers returns the ids of those that have registered.
func (c *Client) TaskManagers() (map[string]bool, error) {
	var answer struct {
		TaskManagers []struct{ ID string }
	}
	err := c.Get("/taskmanagers", &answer)
	ids := map[string]bool{}
	for _, tm := range answer.TaskManagers {
		ids[tm.ID] = true
	}
	return ids, err
}

// AwaitTaskManagers waits until these have registered.
func (c *Client) AwaitTaskManagers(t testing.TB, tms ...*TaskManager) {
	t.Helper()
	for _, tm := range tms {
		Await(t, tm.Background, func() string {
			ids, err := c.TaskManagers()
			switch {
			case err != nil:
				return err.Error()
			case !ids[tm.ID]:
				return tm.ID + " has not registered"
			}
			return ""
		})
	}
}

// Upload uploads a jar and returns its id.
func (c *Client) Upload(t testing.TB, name string, jar []byte) string {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreatePart(map[string][]string{
		"Content-Disposition": {fmt.Sprintf(`form-data; name="jarfile"; filename=%q`, name)},
		"Content-Type":        {"application/x-java-archive"},
	})
	if err == nil {
		_, err = part.Write(jar)
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ Filename string }
	if err := c.do(http.MethodPost, "/jars/upload", form.FormDataContentType(), &body, &answer); err != nil {
		t.Fatal(err)
	}
	return path.Base(answer.Filename)
}

// Run starts a job of an uploaded jar and returns its id.
func (c *Client) Run(t testing.TB, jar, class string, parallelism int, args ...string) Job {
	t.Helper()
	request, err := json.Marshal(map[string]any{"entryClass": class, "parallelism": parallelism, "programArgsList": args})
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ JobID string }
	if err := c.do(http.MethodPost, "/jars/"+jar+"/run", "application/json", bytes.NewReader(request), &answer); err != nil {
		t.Fatal(err)
	}
	return Job{client: c, ID: answer.JobID}
}

// A Job is a job of a cluster.
type Job struct {
	client *Client
	ID     string
}

// Status is what REST says of a job.
type Status struct {
	State     string // RUNNING, RESTARTING, FINISHED, FAILED, …
	Completed int    // checkpoints
	Failure   string // the stack trace of what failed last
	Answers   string // of the job Ask, in brackets
}

// Status asks for a job's status.
func (j Job) Status() (Status, error) {
	var status Status
	var job struct{ State string }
	if err := j.client.Get("/jobs/"+j.ID, &job); err != nil {
		return status, err
	}
	status.State = job.State
	var checkpoints struct{ Counts struct{ Completed int } }
	if err := j.client.Get("/jobs/"+j.ID+"/checkpoints", &checkpoints); err == nil { // a job without checkpoints has no such page
		status.Completed = checkpoints.Counts.Completed
	}
	var exceptions struct {
		ExceptionHistory struct{ Entries []struct{ Stacktrace string } }
	}
	if err := j.client.Get("/jobs/"+j.ID+"/exceptions", &exceptions); err != nil {
		return status, err
	}
	if entries := exceptions.ExceptionHistory.Entries; len(entries) > 0 {
		status.Failure = entries[0].Stacktrace
	}
	var accumulators struct {
		Values []struct{ Name, Value string } `json:"user-task-accumulators"`
	}
	if err := j.client.Get("/jobs/"+j.ID+"/accumulators", &accumulators); err != nil {
		return status, err
	}
	for _, accumulator := range accumulators.Values {
		if accumulator.Name == "answers" {
			status.Answers = accumulator.Value
		}
	}
	return status, nil
}

// AwaitProgress waits until n more checkpoints have been completed than now.
func (j Job) AwaitProgress(t testing.TB, n int) {
	t.Helper()
	from := -1
	Await(t, j.client.cluster.JobManager, func() string {
		status, err := j.Status()
		if err != nil {
			return err.Error()
		}
		if from < 0 {
			from = status.Completed
		}
		if status.State == "RUNNING" && status.Completed >= from+n {
			return ""
		}
		return fmt.Sprintf("the job is %s with %d checkpoints, want %d: %s", status.State, status.Completed, from+n, firstLines(status.Failure))
	})
}

// AwaitFailure waits until an exception of the job holds the text.
func (j Job) AwaitFailure(t testing.TB, text string) {
	t.Helper()
	Await(t, j.client.cluster.JobManager, func() string {
		status, err := j.Status()
		if err != nil {
			return err.Error()
		}
		if strings.Contains(status.Failure, text) {
			return ""
		}
		return fmt.Sprintf("the job is %s, want a failure with %q: %s", status.State, text, firstLines(status.Failure))
	})
}

// AwaitEnd waits until the job has ended and returns how, and why.
func (j Job) AwaitEnd(t testing.TB) Status {
	t.Helper()
	var status Status
	Await(t, j.client.cluster.JobManager, func() string {
		var err error
		if status, err = j.Status(); err != nil {
			return err.Error()
		}
		switch status.State {
		case "FINISHED", "FAILED", "CANCELED":
			return ""
		}
		return "the job is " + status.State
	})
	return status
}

// Hosts returns the ids of the TaskManagers on which subtasks of the job run.
func (j Job) Hosts(t testing.TB) map[string]bool {
	t.Helper()
	var job struct{ Vertices []struct{ ID string } }
	if err := j.client.Get("/jobs/"+j.ID, &job); err != nil {
		t.Fatal(err)
	}
	hosts := map[string]bool{}
	for _, vertex := range job.Vertices {
		var page struct {
			TaskManagers []struct {
				ID string `json:"taskmanager-id"`
			}
		}
		if err := j.client.Get("/jobs/"+j.ID+"/vertices/"+vertex.ID+"/taskmanagers", &page); err != nil {
			t.Fatal(err)
		}
		for _, tm := range page.TaskManagers {
			hosts[tm.ID] = true
		}
	}
	return hosts
}

// Cancel cancels the job and waits until it has ended.
func (j Job) Cancel(t testing.TB) {
	t.Helper()
	if err := j.client.do(http.MethodPatch, "/jobs/"+j.ID+"?mode=cancel", "", nil, nil); err != nil {
		t.Fatal(err)
	}
	j.AwaitEnd(t)
}

func firstLines(text string) string {
	lines := strings.SplitN(text, "\n", 6)
	return strings.Join(lines[:min(5, len(lines))], "\n")
}
