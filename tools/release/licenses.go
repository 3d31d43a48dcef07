package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
)

// licenses are flowcert's licence and those of what is linked into it, which ask to be handed on with it.
func (r *release) licenses() ([]file, error) {
	own, err := fileFrom("licenses/LICENSE", filepath.Join(root, "LICENSE"))
	if err != nil {
		return nil, err
	}
	dirs, err := r.sources()
	if err != nil {
		return nil, err
	}
	var others bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(dirs)) {
		texts, err := licenseTexts(dirs[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, text := range texts {
			fmt.Fprintf(&others, "%s\n\n%s\n\n%s\n\n", strings.Repeat("=", 80), name, strings.TrimSpace(text))
		}
	}
	return []file{own, fileOf("licenses/THIRD-PARTY.txt", others.Bytes())}, nil
}

// sources are the folders of what is linked into the programs: "module version" -> folder.
func (r *release) sources() (map[string]string, error) {
	goroot, err := goOutput("env", "GOROOT")
	if err != nil {
		return nil, err
	}
	out := map[string]string{"Go " + r.programs[0].info.GoVersion: strings.TrimSpace(goroot)}
	args := []string{"list", "-m", "-f", "{{.Path}} {{.Version}}\t{{.Dir}}"}
	for _, m := range r.modules() {
		args = append(args, m.Path)
	}
	listed, err := goOutput(args...)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(listed) {
		name, dir, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if dir == "" {
			return nil, fmt.Errorf("the source of %s is not there: run go mod download", name)
		}
		out[name] = dir
	}
	return out, nil
}

// modules are those linked into any of the programs, sorted.
func (r *release) modules() []*debug.Module {
	found := map[string]*debug.Module{}
	for _, p := range r.programs {
		for _, m := range p.info.Deps {
			found[m.Path] = m
		}
	}
	var out []*debug.Module
	for _, path := range slices.Sorted(maps.Keys(found)) {
		out = append(out, found[path])
	}
	return out
}

// license is what files with terms are called.
var license = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|copyright)([-._].*)?$`)

// licenseTexts reads the terms in a folder; there have to be some.
func licenseTexts(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if !e.Type().IsRegular() || !license.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		out = append(out, string(text))
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("there is no licence in %s", dir)
	}
	return out, nil
}

// goOutput runs go in flowcert's module.
func goOutput(args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", args[0], err, stderr.Bytes())
	}
	return string(out), nil
}
