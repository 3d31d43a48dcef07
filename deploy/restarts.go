package deploy

import (
	"strings"

	"github.com/flowcert/flowcert/yamledit"
)

// HighlyAvailable reports whether a session cluster would find its jobs again
// after a restart: both high-availability.type and .storageDir are set.
func HighlyAvailable(r Resource) bool {
	c, err := readConf(r)
	if err != nil {
		return false
	}
	kind, ok := c.get("high-availability.type")
	if !ok {
		kind, _ = c.get("high-availability")
	}
	dir, _ := c.get("high-availability.storageDir")
	return !unset(kind, true) && !strings.EqualFold(kind, "NONE") && !unset(dir, true)
}

// UpgradeMode returns spec.job.upgradeMode; session is true where there is no
// job. The custom resource's default is stateless, which throws state away.
func UpgradeMode(r Resource) (mode string, session bool) {
	job, ok := yamledit.Get(r.Object, keys("spec", "job"))
	if !ok || job == nil {
		return "", true
	}
	mode, _ = getString(r.Object, keys("spec", "job", "upgradeMode"))
	if mode == "" {
		mode = "stateless"
	}
	return mode, false
}
