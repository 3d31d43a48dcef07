package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowcert/flowcert/backup"
	"github.com/flowcert/flowcert/renew"
	"github.com/flowcert/flowcert/secrets"
)

func (a *app) exportCommand() *cobra.Command {
	var passphraseFile string
	var force bool
	cmd := &cobra.Command{
		Use:   "export FILE",
		Short: "Write the authority's keys into one encrypted file, as a backup",
		Long: `Writes every root and intermediate that flowcert made, keys included, into one
file that is encrypted with a passphrase, and the list of roots that are not to
be trusted any more; flowcert import brings them back. All else can be made again
from them.

The file is in the format of age, so that age opens it where there is no flowcert.
Inside are the Secret manifests of DIR/authority.

Exit status: 0 the file is written, 1 error; then nothing has been written.`,
		Example: "  flowcert export --dir DIR authority.age",
		Args:    oneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.export(cmd.Context(), args[0], passphraseFile, force)
		},
	}
	passphraseFlag(cmd, &passphraseFile)
	cmd.Flags().BoolVar(&force, "force", false, "replace FILE if it is there")
	return cmd
}

// oneFile refuses anything but one argument.
func oneFile(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usage(cmd, fmt.Errorf("%s takes one file, but %d are given", cmd.CommandPath(), len(args)))
	}
	return nil
}

func (a *app) export(ctx context.Context, path, passphraseFile string, force bool) error {
	ctx, s, unlock, err := a.openLocked(ctx) // for a copy of one moment
	if err != nil {
		return err
	}
	defer unlock()
	state, err := a.observe(ctx, s)
	if err != nil {
		return err
	}
	saved, err := renew.Backup(s.cfg, state)
	if err != nil {
		return err
	}
	files := s.files
	if files == nil {
		files = &secrets.Dir{} // keeps no files that the archive could stand among
	}
	if err := files.CheckArchivePath(path, force); err != nil {
		return err
	}
	passphrase, err := a.newPassphrase(ctx, passphraseFile)
	if err != nil {
		return err
	}
	text, err := secrets.Archive(saved)
	if err != nil {
		return err
	}
	head := aboutBackup(renew.AuthorityTarget(s.cfg), state.Now)
	data, err := backup.Encrypt(append([]byte(head), text...), passphrase)
	if err != nil {
		return err
	}
	if err := secrets.WriteArchive(path, data); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if own := s.cfg.Authority.Secret; own != nil {
		ref := secrets.Ref{Namespace: own.Namespace, Name: own.Name}
		a.say("%s the CA itself is yours (%s) and not in it: keep a copy of its key, and of its passphrase, as you do with your other keys", a.paint(a.stderr, yellow, "note:"), ref)
	}
	return a.exported(renew.AuthorityTarget(s.cfg), path, saved)
}

// aboutBackup stands at the head of a backup, for somebody who has no flowcert
// any more.
func aboutBackup(target string, now time.Time) string {
	return fmt.Sprintf(`# %s of flowcert, as it was on %s.
# flowcert import brings it back. By hand: save each document below in the folder
# authority/ of the directory, as NAMESPACE.NAME.yaml, readable by you alone.
`, target, now.UTC().Format(time.RFC3339))
}

func (a *app) exported(target, path string, saved []*secrets.Secret) error {
	if a.json() {
		return a.printJSON(exportJSON{File: path, Authority: target, Secrets: refNames(saved)})
	}
	for _, s := range saved {
		a.print("%s\n", s.Ref)
	}
	a.print("%s of %s: in %s, encrypted with the passphrase\n", plural(len(saved), "Secret"), target, path)
	a.say("\nWithout the passphrase nobody reads it, you included: keep the two apart. What is made later,\nsuch as another intermediate or root, is not in it: export again after such a change.\n\nTo bring it back:      %s %s\nWithout flowcert:      age --decrypt %s", a.line("import"), quote(path), quote(path))
	return nil
}

type exportJSON struct {
	File      string   `json:"file"`
	Authority string   `json:"authority"`
	Secrets   []string `json:"secrets"`
}

func refNames(all []*secrets.Secret) []string {
	out := []string{}
	for _, s := range all {
		out = append(out, s.Ref.String())
	}
	return out
}
