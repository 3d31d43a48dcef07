package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/flowcert/flowcert/backup"
	"github.com/flowcert/flowcert/renew"
	"github.com/flowcert/flowcert/secrets"
)

func (a *app) importCommand() *cobra.Command {
	var passphraseFile string
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Bring the authority's keys back from a backup that export wrote",
		Long: `Brings back what is missing of the authority from a file that flowcert export
wrote. What is there already stays as it is; where it differs from the backup,
nothing is written. On a directory that is complete it tells that the backup can
be read, and writes nothing.

Exit status: 0 everything in the backup is in the directory, 1 error; then nothing
has been written.`,
		Example: "  flowcert import --dir DIR authority.age",
		Args:    oneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.restore(cmd.Context(), args[0], passphraseFile)
		},
	}
	passphraseFlag(cmd, &passphraseFile)
	return cmd
}

func (a *app) restore(ctx context.Context, path, passphraseFile string) error {
	ctx, s, unlock, err := a.openLocked(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	saved, err := a.readBackup(ctx, path, passphraseFile)
	if err != nil {
		return err
	}
	state, err := a.observe(ctx, s)
	if err != nil {
		return err
	}
	r, err := renew.PlanRestore(s.cfg, state, saved)
	if err == nil {
		err = renew.Restore(ctx, s.store, r)
	}
	if err != nil {
		a.printError(err)
		a.say("nothing was written")
		return exit(exitError)
	}
	return a.restored(path, r)
}

// readBackup opens a file that export wrote. What is no such file is told before
// a passphrase is asked for.
func (a *app) readBackup(ctx context.Context, path, passphraseFile string) ([]*secrets.Secret, error) {
	data, err := readFile(path, backup.MaxSize)
	if err != nil {
		return nil, err
	}
	file, err := backup.Read(data)
	if err != nil {
		return nil, aboutFile(path, err)
	}
	passphrase, err := a.passphrase(ctx, passphraseFile, path)
	if err != nil {
		return nil, err
	}
	text, err := file.Decrypt(passphrase)
	if err != nil {
		return nil, aboutFile(path, err)
	}
	saved, err := secrets.ParseArchive(text)
	if err != nil {
		return nil, hinted(fmt.Errorf("%s: what is in it was not written by flowcert export: %w", path, err), "give a file that flowcert export wrote")
	}
	return saved, nil
}

// backupHints are what to do about a file that does not open.
var backupHints = map[error]string{
	backup.ErrNoBackup:   "give a file that flowcert export wrote",
	backup.ErrCutOff:     "take another copy of the backup",
	backup.ErrChanged:    "take another copy of the backup",
	backup.ErrKeys:       "open it with age and that key; what is inside can be put back by hand, its first lines say how",
	backup.ErrWork:       "open it with age; what is inside can be put back by hand, its first lines say how",
	backup.ErrPassphrase: "give the passphrase with which this very file was exported",
}

func aboutFile(path string, err error) error {
	named := fmt.Errorf("%s: %w", path, err)
	for known, hint := range backupHints {
		if errors.Is(err, known) {
			return hinted(named, hint)
		}
	}
	return named
}

func (a *app) restored(path string, r *renew.Restoring) error {
	if a.json() {
		return a.printJSON(importJSON{File: path, Restored: refNames(r.Missing), Present: refNames(r.Present)})
	}
	for _, s := range r.Missing {
		a.print("restored %s in %s\n", s.Ref, s.File)
	}
	for _, s := range r.Present {
		a.print("present  %s\n", s.Ref)
	}
	if len(r.Missing) == 0 {
		a.print("Nothing to do: everything in the backup is there already.\n")
		return nil
	}
	a.print("%s restored; to see what that changes: %s\n", plural(len(r.Missing), "Secret"), a.line("plan"))
	return nil
}

type importJSON struct {
	File     string   `json:"file"`
	Restored []string `json:"restored"` // Secrets
	Present  []string `json:"present"`
}
