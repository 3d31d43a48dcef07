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
	"github.com/flowcert/flowcert/renew"
	"github.com/flowcert/flowcert/secrets"
)

// site is the configuration and the store that a command works on.
type site struct {
	cfg   *config.Config
	store *secrets.Dir
	dir   string
}

// open loads the configuration and opens the directory.
func (a *app) open() (*site, error) {
	if err := a.checkDirectory(); err != nil {
		return nil, err
	}
	path := a.configFile()
	cfg, err := config.Load(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, hinted(fmt.Errorf("there is no configuration: %w", err), "run "+a.line("init")+", or write "+quote(path)+", for example:\n\n"+config.ShortForm)
	}
	if err != nil {
		return nil, err
	}
	store, err := secrets.OpenDir(a.dir, cfg.Namespace)
	if err != nil {
		return nil, err
	}
	a.detail("configuration: %s", path)
	return &site{cfg: cfg, store: store, dir: a.dir}, nil
}

// openLocked opens the directory for writing: no other flowcert is at work in it
// until unlock is called.
func (a *app) openLocked() (s *site, unlock func(), err error) {
	if s, err = a.open(); err != nil {
		return nil, nil, err
	}
	if unlock, err = s.store.Lock(); err != nil {
		return nil, nil, err
	}
	return s, unlock, nil
}

// checkDirectory wants --dir.
func (a *app) checkDirectory() error {
	if a.dir == "" {
		return hinted(errors.New("no directory is given"), "add --dir DIR with the directory of manifests; this version does not work on a cluster")
	}
	return isDirectory(a.dir)
}

// configFile is where the configuration is, or is to be.
func (a *app) configFile() string {
	if a.configPath != "" {
		return a.configPath
	}
	return filepath.Join(a.dir, "flowcert.yaml")
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

// observe reads everything.
func (a *app) observe(ctx context.Context, s *site) (*renew.State, error) {
	state, err := renew.Observe(ctx, s.cfg, s.store, a.time())
	if err != nil {
		return nil, err
	}
	a.detail("read in %s: %s, %d not readable", s.dir, plural(len(state.Secrets), "Secret"), len(state.Broken))
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
