package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/flowcert/flowcert/config"
)

// TestDocs holds the pages against the program: every command line in them has a command and flags
// that exist, every configuration is one that the parser accepts, and every link leads somewhere.
// What the commands do is for the scripts.
func TestDocs(t *testing.T) {
	root := filepath.Join("..", "..")
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	commands := 0
	for _, page := range append(pages, filepath.Join(root, "README.md"), filepath.Join(root, "ARCHITECTURE.md")) {
		data, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		block, prose := codeAndProse(text)
		for _, m := range regexp.MustCompile(`(?m)^ *(?:go run \./cmd/)?flowcert (.*)$`).FindAllStringSubmatch(block, -1) {
			commands++
			if err := knownCommand(m[1], true); err != nil {
				t.Errorf("%s: flowcert %s: %v", page, m[1], err)
			}
		}
		for _, m := range regexp.MustCompile("`(?:go run \\./cmd/)?flowcert ([^`]*)`").FindAllStringSubmatch(prose, -1) {
			commands++
			if err := knownCommand(m[1], false); err != nil {
				t.Errorf("%s: `flowcert %s`: %v", page, m[1], err)
			}
		}
		for _, m := range regexp.MustCompile("(?s)```yaml\n(apiVersion: flowcert.*?)```").FindAllStringSubmatch(text, -1) {
			if _, err := config.Parse(strings.NewReader(m[1])); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
		for _, m := range regexp.MustCompile(`\]\(([^)#]*)#?([^)]*)\)`).FindAllStringSubmatch(prose, -1) {
			if err := leads(page, m[1], m[2]); err != nil {
				t.Errorf("%s: link to %s#%s: %v", page, m[1], m[2], err)
			}
		}
	}
	if commands < 50 {
		t.Errorf("found %d command lines: the pages have more", commands)
	}
}

// codeAndProse tells lines of code, fenced or indented, from the others.
func codeAndProse(text string) (code, prose string) {
	fenced := false
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "```"):
			fenced = !fenced
		case fenced || strings.HasPrefix(line, "    "):
			code += line
		default:
			prose += line
		}
	}
	return code, prose
}

// shell is what ends a command within a line.
var shell = regexp.MustCompile(` *(?:[>|;#]|&&).*`)

// knownCommand parses a command line without running it. A name in prose may lack the arguments.
func knownCommand(line string, complete bool) error {
	args := strings.Fields(shell.ReplaceAllString(line, ""))
	root := (&app{}).command()
	cmd, rest, err := root.Find(args)
	if err == nil && cmd == root {
		err = fmt.Errorf("no such command")
	}
	if err == nil {
		err = cmd.ParseFlags(rest)
	}
	if err == nil && complete {
		err = cmd.ValidateArgs(cmd.Flags().Args())
	}
	return err
}

// leads reports a link to a page or a heading that is not there.
func leads(page, to, heading string) error {
	if strings.Contains(to, "://") {
		return nil
	}
	target := page
	if to != "" {
		target = filepath.Join(filepath.Dir(page), to)
	}
	text, err := os.ReadFile(target)
	if err != nil || heading == "" {
		return err
	}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(string(text), -1) {
		if slug(m[1]) == heading {
			return nil
		}
	}
	return fmt.Errorf("there is no such heading")
}

// slug is the anchor that a heading gets where pages are shown.
func slug(heading string) string {
	kept := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(heading), "")
	return strings.ReplaceAll(kept, " ", "-")
}
