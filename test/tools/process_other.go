//go:build !linux

package tools

import (
	"errors"
	"os"
	"os/exec"
)

// Only Linux can end a process with its parent; elsewhere a killed test binary leaves its servers.
func dieWithParent(*exec.Cmd, os.Signal) {}

func runAs(*exec.Cmd, int, int) {}

func lookupUser(string) (uid, gid int, err error) {
	return 0, 0, errors.New("run the tests as a user who is not root: PostgreSQL refuses to run as root")
}
