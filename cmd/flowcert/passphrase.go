package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// minPassphrase is how many characters a new passphrase has at least: what NIST
// asks for where nothing else protects (SP 800-63B-4, section 3.1.1.2).
const minPassphrase = 15

// passphraseFlag adds the flag by which programs give a passphrase. There is
// none for the passphrase itself: a command line, and an environment, can be
// read by others.
func passphraseFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "passphrase-file", "", "file that holds the passphrase, - for standard input (default: asked for on the terminal)")
}

// newPassphrase gets a passphrase that something will be encrypted with.
func (a *app) newPassphrase(ctx context.Context, file string) (string, error) {
	if file != "" {
		passphrase, err := a.passphraseFrom(file)
		if err != nil {
			return "", err
		}
		return passphrase, checkNewPassphrase(passphrase)
	}
	first, err := a.ask(ctx, "Passphrase for the backup: ")
	if err == nil {
		err = checkNewPassphrase(first)
	}
	if err != nil {
		return "", err
	}
	second, err := a.ask(ctx, "The same again: ")
	if err == nil && first != second {
		err = errors.New("the two passphrases differ")
	}
	return first, err
}

// passphrase gets the passphrase of something that is encrypted already.
func (a *app) passphrase(ctx context.Context, file, of string) (string, error) {
	passphrase, err := "", error(nil)
	if file != "" {
		passphrase, err = a.passphraseFrom(file)
	} else {
		passphrase, err = a.ask(ctx, "Passphrase of "+of+": ")
	}
	if err == nil && passphrase == "" {
		err = errors.New("the passphrase is empty")
	}
	return passphrase, err
}

// checkNewPassphrase refuses what is guessed too easily, and what nobody could
// type where age asks for it.
func checkNewPassphrase(passphrase string) error {
	const hint = "take six random words, for example, and keep them apart from the backup"
	switch n := utf8.RuneCountInString(passphrase); {
	case n == 0:
		return hinted(errors.New("the passphrase is empty"), hint)
	case n < minPassphrase:
		return hinted(fmt.Errorf("the passphrase has %s: at least %d are needed, because whoever gets the file can try as many as they like", plural(n, "character"), minPassphrase), hint)
	case !utf8.ValidString(passphrase) || strings.ContainsFunc(passphrase, unicode.IsControl):
		return hinted(errors.New("the passphrase holds a line break or another control character"), "give it as one line of text")
	}
	return nil
}

// passphraseFrom reads a passphrase from a file, or from standard input.
func (a *app) passphraseFrom(file string) (string, error) {
	if file == "-" {
		return onlyLine(a.stdin, "passphrase from standard input")
	}
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("passphrase file %s: %w", file, errors.Unwrap(err))
	}
	defer f.Close()
	return onlyLine(f, "passphrase file "+file)
}

// onlyLine reads a secret without the line break that editors and echo leave
// behind it.
func onlyLine(r io.Reader, name string) (string, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxPasswordFile+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("%s: %w", name, errors.Unwrap(err))
	case len(data) > maxPasswordFile:
		return "", fmt.Errorf("%s: has more than %d bytes", name, maxPasswordFile)
	}
	line := strings.TrimRight(string(data), "\r\n")
	if line == "" {
		return "", fmt.Errorf("%s: is empty", name)
	}
	return line, nil
}

// ask reads a line from the terminal without showing it. Where ctx ends first,
// the terminal shows again what is typed.
func (a *app) ask(ctx context.Context, prompt string) (string, error) {
	terminal, ok := a.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(terminal.Fd())) {
		return "", hinted(errors.New("there is no terminal to ask for the passphrase"), "give it in a file: --passphrase-file FILE, or - for standard input")
	}
	fd := int(terminal.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	fmt.Fprint(a.stderr, prompt)
	defer fmt.Fprintln(a.stderr) // the line break that was typed is not shown either
	type answer struct {
		line []byte
		err  error
	}
	typed := make(chan answer, 1)
	go func() {
		line, err := term.ReadPassword(fd)
		typed <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		return "", errors.Join(errors.New("interrupted"), term.Restore(fd, before))
	case got := <-typed:
		if errors.Is(got.err, io.EOF) {
			got.err = errors.New("no passphrase was given")
		}
		return string(got.line), got.err
	}
}
