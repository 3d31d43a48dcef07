package tools

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// dieWithParent has the kernel send the signal if the process that starts cmd dies: a test binary that is
// killed or times out runs no cleanup.
func dieWithParent(cmd *exec.Cmd, signal os.Signal) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = signal.(syscall.Signal)
}

// runAs has cmd run as another user.
func runAs(cmd *exec.Cmd, uid, gid int) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// lookupUser returns the ids of a user.
func lookupUser(name string) (uid, gid int, err error) {
	found, err := user.Lookup(name)
	if err != nil {
		return 0, 0, err
	}
	if uid, err = strconv.Atoi(found.Uid); err != nil {
		return 0, 0, fmt.Errorf("user id of %s: %w", name, err)
	}
	if gid, err = strconv.Atoi(found.Gid); err != nil {
		return 0, 0, fmt.Errorf("group id of %s: %w", name, err)
	}
	return uid, gid, nil
}
