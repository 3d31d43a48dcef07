package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// The scripts run flowcert itself, and two helpers beside it: holdlock keeps a
// directory's lock as a second flowcert would, unprivileged takes from root what
// lets it write anywhere.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"flowcert":     func() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
		"holdlock":     holdLock,
		"unprivileged": unprivileged,
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setup,
		Condition:           condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"cafile":    cmdCAFile,
			"edit":      cmdEdit,
			"exits":     cmdExits,
			"foreign":   cmdForeign,
			"getdata":   cmdGetData,
			"jsonkeys":  cmdJSONKeys,
			"kept":      cmdKept,
			"kinds":     cmdKinds,
			"later":     cmdLater,
			"mode":      cmdMode,
			"newer":     cmdNewer,
			"putdata":   cmdPutData,
			"secretof":  cmdSecretOf,
			"site":      cmdSite,
			"snapshot":  cmdSnapshot,
			"sparse":    cmdSparse,
			"substring": cmdSubstring,
			"swap":      cmdSwap,
			"swapkey":   cmdSwapKey,
			"unchanged": cmdUnchanged,
			"waitfor":   cmdWaitFor,
		},
	})
}

// setup hands scripts the module's own folders, and none of the user's settings.
func setup(env *testscript.Env) error {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		return err
	}
	env.Setenv("SAMPLES", sharedSamples())
	env.Setenv("EXAMPLES", filepath.Join(root, "examples"))
	env.Setenv("FIXTURE", filepath.Join(root, "cmd", "flowcert", fixture))
	env.Setenv("MANUAL", filepath.Join(root, "cmd", "flowcert", "testdata", "manual"))
	env.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	env.Setenv("GIT_AUTHOR_NAME", "test")
	env.Setenv("GIT_AUTHOR_EMAIL", "test@example.com")
	env.Setenv("GIT_COMMITTER_NAME", "test")
	env.Setenv("GIT_COMMITTER_EMAIL", "test@example.com")
	env.Values[snapshotsKey{}] = map[string]map[string]fileState{}
	return nil
}

// condition knows [shared]: the vendor's sample resources lie beside the
// checkout. They are not ours to copy.
func condition(name string) (bool, error) {
	if name != "shared" {
		return false, fmt.Errorf("unknown condition %q", name)
	}
	_, err := os.Stat(sharedSamples())
	return err == nil, nil
}

func sharedSamples() string {
	path, err := filepath.Abs(filepath.Join("..", "..", "..", "shared", "data", "samples"))
	if err != nil {
		return ""
	}
	return path
}

// holdLock locks the directory that is its first argument, writes the file that
// is its second, and waits to be interrupted.
func holdLock() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt)
	f, err := os.Open(os.Args[1])
	if err == nil {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
	}
	if err == nil {
		err = os.WriteFile(os.Args[2], nil, 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	select {
	case <-stop:
	case <-time.After(5 * time.Minute):
	}
	runtime.KeepAlive(f)
}

// unprivileged runs a program without root's power over other people's files
// (capabilities(7)): what a mode forbids is then forbidden to root too. Its first
// argument is the umask.
func unprivileged() {
	fail := func(err error) {
		fmt.Fprintln(os.Stderr, "unprivileged:", err)
		os.Exit(126)
	}
	mask, err := strconv.ParseUint(os.Args[1], 8, 12)
	if err != nil {
		fail(err)
	}
	unix.Umask(int(mask))
	runtime.LockOSThread()
	if os.Getuid() == 0 {
		for _, capability := range []uintptr{unix.CAP_DAC_OVERRIDE, unix.CAP_DAC_READ_SEARCH, unix.CAP_FOWNER} {
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0); err != nil {
				fail(err)
			}
		}
	}
	path, err := exec.LookPath(os.Args[2])
	if err != nil {
		fail(err)
	}
	fail(syscall.Exec(path, os.Args[2:], os.Environ()))
}
