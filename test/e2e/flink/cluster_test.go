//go:build e2e

package flink

import (
	"testing"

	"github.com/flowcert/flowcert/test/flink"
	"github.com/flowcert/flowcert/test/tools"
)

// quick has keys that are made in no time.
const quick = `authority: {selfSigned: {key: {algorithm: ECDSA, size: 256}}}
defaults: {key: {algorithm: RSA, size: 2048}}
flinkDeployments: [{name: NAME}]
`

func TestThin(t *testing.T) {
	s := newSite(t, quick, nil)
	pod := s.pod(t, tools.JDKs(t)[0])
	c := flink.Start(t, flink.Find(t, "1.20"), s.name, namespace, pod)
	client := c.Client(t, s.roots(t))
	client.AwaitTaskManagers(t, c.AddTaskManager(t, pod), c.AddTaskManager(t, pod))
	jar := client.Upload(t, "jobs.jar", flink.Jobs(t))
	job := client.Run(t, jar, "Count", 2)
	job.AwaitProgress(t, 3)
	t.Log(job.Hosts(t))
}
