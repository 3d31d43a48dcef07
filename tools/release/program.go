package main

import (
	"debug/buildinfo"
	"fmt"
	"path/filepath"
	"strings"
)

// program is flowcert for one architecture of Linux.
type program struct {
	path string
	arch string
	info *buildinfo.BuildInfo
}

const programPrefix = "flowcert-linux-"

// readPrograms finds the programs in a folder, which all have to be of one version.
func readPrograms(dir string) ([]program, error) {
	paths, err := filepath.Glob(filepath.Join(dir, programPrefix+"*"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("there is no program in %s", dir)
	}
	var out []program
	for _, path := range paths {
		info, err := buildinfo.ReadFile(path)
		if err != nil {
			return nil, err
		}
		p := program{path: path, arch: strings.TrimPrefix(filepath.Base(path), programPrefix), info: info}
		switch {
		case p.setting("GOOS") != "linux" || p.setting("GOARCH") != p.arch || p.setting("CGO_ENABLED") != "0":
			return nil, fmt.Errorf("%s is for %s/%s, with CGO_ENABLED=%s", path, p.setting("GOOS"), p.setting("GOARCH"), p.setting("CGO_ENABLED"))
		case len(out) > 0 && p.version() != out[0].version():
			return nil, fmt.Errorf("%s has version %s, and %s has %s", path, p.version(), out[0].path, out[0].version())
		}
		out = append(out, p)
	}
	return out, nil
}

// setting is one of those with which the program was built.
func (p program) setting(key string) string {
	for _, s := range p.info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

// version is what flowcert version prints.
func (p program) version() string { return p.info.Main.Version }

// tag is a version as the name of an image may have it. The command flowcert manifests does the same.
func tag(version string) string {
	if version == "" || version == "(devel)" {
		return "devel"
	}
	return strings.ReplaceAll(version, "+", "_")
}

// semver is a version as a chart may have it (semver.org).
func semver(version string) string {
	if tag(version) == "devel" {
		return "0.0.0-devel"
	}
	return strings.TrimPrefix(version, "v")
}
