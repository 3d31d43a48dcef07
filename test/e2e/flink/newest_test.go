//go:build e2e

package flink

import (
	"testing"

	"github.com/flowcert/flowcert/test/flink"
	"github.com/flowcert/flowcert/test/tools"
)

// namesUnchecked takes back what Flink 2.3.0 does by mistake (FLINK-40727): it verifies the names of
// TaskManagers, which call each other by the IP addresses of their pods.
const namesUnchecked = "-Dorg.apache.flink.shaded.netty4.io.netty.handler.ssl.defaultEndpointVerificationAlgorithm=NONE"

// TestNewestFlinkAndJDK: Flink 2.3.0 moves no data between two TaskManagers with internal TLS, whoever made the
// certificate, unless its JVM option is set; then it works as the others do, and on the newest JDK.
func TestNewestFlinkAndJDK(t *testing.T) {
	t.Parallel()
	s := newSite(t, quick, nil)
	pod := s.pod(t, tools.JDKs(t)[1])
	c := flink.Start(t, flink.Find(t, "2.3"), s.name, namespace, pod)
	client := c.Client(t, s.roots(t))
	strict := []*flink.TaskManager{c.AddTaskManager(t, pod), c.AddTaskManager(t, pod)}
	client.AwaitTaskManagers(t, strict...)
	jar := client.Upload(t, "jobs.jar", flink.Jobs(t))
	job := client.Run(t, jar, "Count", 2)
	job.AwaitFailure(t, "Sending the partition request to")
	flink.Await(t, strict[0].Background, func() string {
		return missing(strict[0].Log()+strict[1].Log(), "No subject alternative names matching IP address "+strict[0].Address+" found",
			"No subject alternative names matching IP address "+strict[1].Address+" found")
	})
	for _, tm := range strict {
		tm.Kill()
	}
	lenient := pod.With("env.java.opts.all", flink.DefaultOptions+" "+namesUnchecked)
	tms := []*flink.TaskManager{c.AddTaskManager(t, lenient), c.AddTaskManager(t, lenient)}
	client.AwaitTaskManagers(t, tms...)
	job.AwaitProgress(t, 3)
	verifiesREST(t, c, s.roots(t))
	closedToStrangers(t, c, pod, tms...)
}
