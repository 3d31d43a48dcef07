package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/kube"
	"github.com/flowcert/flowcert/renew"
	"github.com/flowcert/flowcert/secrets"
)

// site is the configuration and the store that a command works on.
type site struct {
	cfg   *config.Config
	store store
	files *secrets.Dir // the store, if it is a directory
	kube  *kube.Store  // the store, if it is a cluster
	api   *kube.Client // of the cluster
	dir   string       // the directory's path
}

// store is what the commands ask of a directory and of a cluster alike.
type store interface {
	renew.Store
	// CheckWritable, CheckOwn and CheckPutBack refuse, before anything is written,
	// what could not be done.
	CheckWritable(files []string) error
	CheckOwn(*secrets.Secret) error
	CheckPutBack(record *secrets.Secret, ref secrets.Ref) error
	// PutBack undoes SetAside.
	PutBack(ctx context.Context, record *secrets.Secret, ref secrets.Ref) error
}

// open loads the configuration and opens the directory, or the cluster.
func (a *app) open() (*site, error) {
	if err := a.checkFlags(); err != nil {
		return nil, err
	}
	path := a.configFile()
	cfg, err := a.load(path)
	if err != nil {
		return nil, err
	}
	a.detail("configuration: %s", path)
	if a.dir == "" {
		return a.openCluster(cfg)
	}
	store, err := secrets.OpenDir(a.dir, cfg.Namespace)
	if err != nil {
		return nil, err
	}
	return &site{cfg: cfg, store: store, files: store, dir: a.dir}, nil
}

func (a *app) load(path string) (*config.Config, error) {
	cfg, err := config.LoadFor(path, a.namespace)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, hinted(fmt.Errorf("there is no configuration: %w", err), "run "+a.line("init")+", or write "+quote(path)+", for example:\n\n"+config.ShortForm)
	}
	return cfg, err
}

// openLocked opens the store for writing: no other flowcert writes to it until
// unlock is called. The context ends with the right to write.
func (a *app) openLocked(ctx context.Context) (_ context.Context, s *site, unlock func(), err error) {
	if s, err = a.open(); err != nil {
		return nil, nil, nil, err
	}
	if s.kube != nil {
		ctx, unlock, err = a.lockCluster(ctx, s)
		return ctx, s, unlock, err
	}
	if unlock, err = s.files.Lock(); err != nil {
		return nil, nil, nil, err
	}
	return ctx, s, unlock, nil
}

// checkFlags refuses flags that contradict each other, a directory that is none, and
// a Go that does not open Java's stores.
func (a *app) checkFlags() error {
	if err := checkDigests(); err != nil {
		return err
	}
	switch {
	case a.dir == "" && !a.now.IsZero():
		return hinted(errors.New("--now is for a directory: a cluster has a clock of its own"), "add --dir DIR, or leave --now out")
	case a.dir == "":
		return nil
	case a.kubeconfig != "" || a.context != "":
		return hinted(errors.New("--dir is in place of a cluster; --kubeconfig and --context name one"), "leave one of them out")
	}
	return isDirectory(a.dir)
}

// clusterConfig is where a pod finds its configuration.
const clusterConfig = "/etc/flowcert/flowcert.yaml"

// configFile is where the configuration is, or is to be.
func (a *app) configFile() string {
	if a.configPath != "" {
		return a.configPath
	}
	path := filepath.Join(a.dir, "flowcert.yaml")
	if a.dir != "" {
		return path
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(clusterConfig); err == nil {
			return clusterConfig
		}
	}
	return path
}

func isDirectory(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		err = fmt.Errorf("directory %s: %w", path, errors.Unwrap(err))
	case !info.IsDir():
		err = fmt.Errorf("%s is not a directory", path)
	default:
		return nil
	}
	return hinted(err, "give the directory that holds flowcert.yaml and the manifests")
}

// where names the store.
func (s *site) where() string {
	if s.kube != nil {
		return "cluster " + s.api.Host
	}
	return s.dir
}

// observe reads everything.
func (a *app) observe(ctx context.Context, s *site) (*renew.State, error) {
	state, err := renew.Observe(ctx, s.cfg, s.store, a.time())
	if err != nil {
		return nil, err
	}
	a.detail("read in %s: %s, %d not readable", s.where(), plural(len(state.Secrets), "Secret"), len(state.Broken))
	return state, nil
}

// pass observes and plans.
func (a *app) pass(ctx context.Context, s *site) (*renew.State, *renew.Plan, error) {
	state, err := a.observe(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	state.Adopt = a.adopt
	return state, renew.NewPlan(s.cfg, state), nil
}

// refuse prints what keeps flowcert from working and returns the error that
// ends the command. Nothing has been written by then.
func (a *app) refuse(plan *renew.Plan) error {
	a.notices(plan)
	for _, f := range plan.Faults {
		a.printError(describe(f))
	}
	if a.json() {
		if err := a.printJSON(passOutput(plan)); err != nil {
			return err
		}
	}
	a.say("nothing was written")
	return exit(exitError)
}

// describe puts the target in front of an error that does not name it.
func describe(f renew.Fault) error {
	if strings.Contains(f.Err.Error(), f.Target) {
		return f.Err
	}
	return fmt.Errorf("%s: %w", f.Target, f.Err)
}

func (a *app) notices(plan *renew.Plan) {
	for _, n := range plan.Notices {
		a.say("%s %s", a.paint(a.stderr, yellow, "note:"), n)
	}
}
