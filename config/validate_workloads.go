package config

import (
	"fmt"

	"github.com/flowcert/flowcert/pki"
)

// Event Processing's names: <name>-ibm-eventprocessing-svc is a Service, and
// <name>-ibm-eventprocessing-rt-<namespace> the first label of its longest route.
const (
	epService = "-ibm-eventprocessing-svc"
	epRoute   = "-ibm-eventprocessing-rt-"
	maxLabel  = 63 // RFC 1035 section 2.3.4
)

var checkEventProcessingName = checkLabelOf(maxLabel-len(epService),
	"its Service is named <name>"+epService+", and Kubernetes allows 63")

func (v *validator) checkEventProcessing() {
	seen := map[Ref]int{}
	for i, e := range v.EventProcessing {
		path := element("eventProcessing", i)
		if v.faulty[path] {
			continue
		}
		v.name(path+".name", e.Name, checkEventProcessingName)
		v.namespace(path, e.Namespace)
		v.unique(seen, path+".name", Ref{e.Namespace, e.Name}, e.Line)
		v.names(path+".extraDNSNames", e.ExtraDNSNames, checkDNSName)
		if label := e.Name + epRoute + e.Namespace; v.ClusterAPI != "" && e.Name != "" && len(label) > maxLabel {
			v.fail(path+".name", "its route's name %s is %d characters long, DNS allows %d; "+
				"use a shorter name or namespace, or leave out clusterAPI and list the host names in use under extraDNSNames",
				quote(label), len(label), maxLabel)
		}
	}
}

// maxFlinkName is the Flink Kubernetes operator's own limit (its DefaultValidator).
const maxFlinkName = 45

// checkFlinkName follows the operator's pattern [a-z]([-a-z\d]{0,43}[a-z\d])?.
func checkFlinkName(name string) error {
	if err := pki.CheckLabel(name); err != nil {
		return err
	}
	switch {
	case len(name) > maxFlinkName:
		return fmt.Errorf("%s is %d characters long; the Flink operator allows %d", quote(name), len(name), maxFlinkName)
	case name[0] < 'a' || name[0] > 'z':
		return fmt.Errorf("%s begins with no letter; the Flink operator wants one", quote(name))
	}
	return nil
}

func (v *validator) checkFlink() {
	seen := map[Ref]int{}
	for i, f := range v.FlinkDeployments {
		path := element("flinkDeployments", i)
		if v.faulty[path] {
			continue
		}
		v.name(path+".name", f.Name, checkFlinkName)
		v.namespace(path, f.Namespace)
		v.unique(seen, path+".name", Ref{f.Namespace, f.Name}, f.Line)
	}
	if v.FlinkOperator != nil {
		v.namespace("flinkOperator", v.FlinkOperator.Namespace)
	}
}
