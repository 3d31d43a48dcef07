// Command release packs what make image and make bundle hand out: an OCI archive of an image for
// several architectures, and an archive with everything that a site without a network needs.
//
//	release image DIST     DIST/bin/flowcert-linux-ARCH… -> DIST/flowcert-VERSION-image.tar
//	release bundle DIST    that, the chart, the manifests, … -> DIST/flowcert-VERSION-bundle.tar.gz
//
// It runs in its own folder of the checkout. The same inputs give the same bytes: every file has the time in
// SOURCE_DATE_EPOCH, and nothing else of the machine is in them. The version is the one that the programs
// carry in themselves. It is a module of its own: what it needs is not flowcert's.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// root is the folder of flowcert's go.mod.
const root = "../.."

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: release image|bundle DIST")
	}
	made, err := epoch(os.Getenv("SOURCE_DATE_EPOCH"))
	if err != nil {
		return err
	}
	p, err := readPrograms(filepath.Join(args[1], "bin"))
	if err != nil {
		return err
	}
	r := &release{dist: args[1], made: made, programs: p}
	switch args[0] {
	case "image":
		return r.image()
	case "bundle":
		return r.bundle()
	}
	return fmt.Errorf("there is no %q: use image or bundle", args[0])
}

// epoch reads SOURCE_DATE_EPOCH (reproducible-builds.org), in seconds.
func epoch(s string) (time.Time, error) {
	seconds, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH %q is no number of seconds", s)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// release is one version of flowcert, for all its architectures.
type release struct {
	dist     string
	made     time.Time
	programs []program
}

// version is that of the programs.
func (r *release) version() string { return r.programs[0].version() }

// file is the path of something that is handed out.
func (r *release) file(what string) string {
	return filepath.Join(r.dist, "flowcert-"+tag(r.version())+"-"+what)
}
