package config

import "slices"

func (v *validator) checkEdges() {
	targets := v.Targets()
	seen := map[[2]Target]int{}
	for i, e := range v.Edges {
		path := element("edges", i)
		if v.faulty[path] {
			continue
		}
		client := v.checkEnd(path+".client", e.Client, targets)
		server := v.checkEnd(path+".server", e.Server, targets)
		if !client || !server {
			continue
		}
		if e.Client == e.Server {
			v.fail(path, "is from %s to itself; name two ends", e.Client)
		}
		if first, ok := seen[[2]Target{e.Client, e.Server}]; ok {
			v.fail(path, "is listed already, on line %d; remove one", first)
		}
		seen[[2]Target{e.Client, e.Server}] = e.Line
		v.checkServes(path+".server", e.Server)
	}
}

// checkEnd tells whether an end is configured, and reports it if not.
func (v *validator) checkEnd(path string, end Target, targets []Target) bool {
	switch {
	case end == Target{}:
		v.fail(path, "is missing; write kind/namespace/name")
	case !slices.Contains(targets, end) && !v.faultyTargets(end.Kind):
		v.fail(path, "%s is not configured%s", quote(end.String()), targetHint(end, targets))
	default:
		return true
	}
	return false
}

// faultyTargets tells whether some name of this kind could not be read.
func (v *validator) faultyTargets(kind TargetKind) bool {
	switch kind {
	case KindEventProcessing:
		return v.faultyNames("eventProcessing")
	case KindFlinkDeployment:
		return v.faultyNames("flinkDeployments")
	}
	return v.faultyNames("certificates")
}

func targetHint(end Target, targets []Target) string {
	var names []string
	for _, t := range targets {
		if t.Kind == end.Kind && t.Name == end.Name {
			return "; did you mean " + t.String() + "?"
		}
		names = append(names, t.String())
	}
	return didYouMean(end.String(), names)
}

// checkServes reports a server whose certificate is for clients only.
func (v *validator) checkServes(path string, server Target) {
	for _, c := range v.Certificates {
		if c.Target() == server && len(c.Usages) > 0 && !c.HasUsage(UsageServer) {
			v.fail(path, "%s is for clients only (its usages, line %d); add server to them", quote(server.String()), c.Line)
		}
	}
}
