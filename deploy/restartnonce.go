package deploy

import (
	"encoding/json"
	"strconv"
)

// restartNonce is the field whose change restarts a FlinkDeployment and changes
// nothing else (Apache Flink Kubernetes Operator documentation, "Custom Resource
// Reference", restartNonce).
var restartNonce = keys("spec", "restartNonce")

// restart counts the nonce on: from the one in the resource, or from the one that
// the operator acted upon last. Where somebody took the field out again the
// operator ignores that and remembers it, and the same number would restart
// nothing.
func (f flinkEditor) restart() {
	now, last := int64(0), f.resource.reconciledNonce()
	if s, ok := getString(f.resource.Object, restartNonce); ok && !Placeholder(s) {
		var err error
		if now, err = strconv.ParseInt(s, 10, 64); err != nil {
			f.conflict(restartNonce, "is "+show(s)+", not a whole number", "write a number, or remove the field")
			return
		}
	}
	f.edit(restartNonce, max(now, last)+1)
}

// reconciledNonce is the one in status.reconciliationStatus.lastReconciledSpec,
// where the specification stands as JSON; 0 where there is none.
func (r Resource) reconciledNonce() int64 {
	var last struct {
		Spec struct {
			RestartNonce int64 `json:"restartNonce"`
		} `json:"spec"`
	}
	if err := json.Unmarshal([]byte(r.status("reconciliationStatus", "lastReconciledSpec")), &last); err != nil {
		return 0 // the operator has acted upon none
	}
	return last.Spec.RestartNonce
}
