package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowcert/flowcert/renew"
	"github.com/flowcert/flowcert/secrets"
)

func (a *app) revertCommand() *cobra.Command {
	var deleteSecrets bool
	cmd := &cobra.Command{
		Use:   "revert",
		Short: "Take flowcert's edits out of the resources again",
		Long: `Takes flowcert's edits out of every resource that carries its record: the
original file to the byte where nobody else edited it. A field that somebody
changed since keeps its value and is named.

A manifest of somebody else's that made room for flowcert's comes back. What was
taken over with --adopt has to be there, and to verify still.

With --delete-secrets the Secret manifests are removed too. The authority's own
key stays: move authority/ away yourself if it shall never sign again. Where
nothing of flowcert's is left, the .gitignore that it made goes as well.

Exit status: 0 done, 1 error; after an error found beforehand nothing has been
written.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.revert(cmd.Context(), deleteSecrets)
		},
	}
	cmd.Flags().BoolVar(&deleteSecrets, "delete-secrets", false, "remove flowcert's Secrets too, the root's excepted")
	return cmd
}

func (a *app) revert(ctx context.Context, deleteSecrets bool) error {
	ctx, s, unlock, err := a.openLocked(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	out := revertJSON{Reverted: []revertedJSON{}, PutBack: []string{}, Removed: []string{}}
	for tries := 0; ; tries++ {
		err = a.revertOnce(ctx, s, deleteSecrets, &out)
		if s.kube == nil || !renew.Overtaken(err) || tries == overtaken {
			break
		}
		if err := pause(ctx, time.Second); err != nil { // operators write their status all the time
			return err
		}
	}
	if err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(out)
	}
	a.print("%s reverted, %s removed\n", plural(len(out.Reverted), "resource"), plural(len(out.Removed), "Secret"))
	return nil
}

// overtaken is how often revert looks again at a cluster in which somebody was faster.
const overtaken = 5

// revertOnce takes back what is there now, and adds it to out.
func (a *app) revertOnce(ctx context.Context, s *site, deleteSecrets bool, out *revertJSON) error {
	state, err := a.observe(ctx, s)
	if err != nil {
		return err
	}
	reverts, back, remove, err := planRevert(s, state, deleteSecrets)
	if err != nil {
		a.printError(err)
		a.say("nothing was written")
		return exit(exitError)
	}
	for _, r := range reverts {
		if err := s.store.WriteResource(ctx, r.Resource, r.Source); err != nil {
			return hinted(err, "run "+a.line("revert")+" again")
		}
		if where := r.Resource.File; where != "" {
			a.say("%s %s in %s", a.paint(a.stderr, yellow, "reverted"), r.Resource, where)
		} else {
			a.say("%s %s", a.paint(a.stderr, yellow, "reverted"), r.Resource)
		}
		for _, path := range r.Kept {
			a.say("  left as it is, somebody changed it since: %s", path)
		}
		out.Reverted = append(out.Reverted, revertedJSON{r.Resource.String(), r.Resource.File, append([]string{}, r.Kept...)})
	}
	for _, b := range back {
		if err := s.store.PutBack(ctx, b.Record, b.Ref); err != nil {
			return fmt.Errorf("%s: %w", b.Ref, err)
		}
		a.say("%s %s, as it was before flowcert", a.paint(a.stderr, yellow, "put back"), b.Ref)
		out.PutBack = append(out.PutBack, b.Ref.String())
	}
	for _, secret := range remove {
		if err := s.store.DeleteSecret(ctx, secret); err != nil {
			return fmt.Errorf("%s: %w", secret.Ref, err)
		}
		out.Removed = append(out.Removed, secret.Ref.String())
	}
	if s.files != nil {
		s.files.Sweep()
	}
	if deleteSecrets && s.files != nil {
		if err := s.files.Tidy(); err != nil {
			return err
		}
	}
	return nil
}

type revertJSON struct {
	Reverted []revertedJSON `json:"reverted"`
	PutBack  []string       `json:"putBack"` // Secrets of others that had made room
	Removed  []string       `json:"removed"` // Secrets
}

type revertedJSON struct {
	Resource string   `json:"resource"`
	File     string   `json:"file"`
	Kept     []string `json:"kept"` // fields that somebody changed since
}

// planRevert finds out what there is to do, and refuses before anything is
// written what could not be done to the end.
func planRevert(s *site, state *renew.State, deleteSecrets bool) ([]renew.Reverted, []renew.PutBack, []*secrets.Secret, error) {
	for _, err := range state.Broken {
		var u *secrets.Unreadable
		if errors.As(err, &u) && (u.Ours || u.Line == 0) {
			return nil, nil, nil, hinted(err, "flowcert's edits may be in there: mend the file or move it out of the directory first")
		}
	}
	reverts, err := renew.Reverts(state)
	if err != nil {
		return nil, nil, nil, err
	}
	back, err := renew.PutBacks(state)
	if err == nil {
		err = renew.Restorable(s.cfg, state, reverts, back)
	}
	if err != nil {
		return nil, nil, nil, err
	}
	var files []string
	for _, r := range reverts {
		files = append(files, r.Resource.File)
	}
	var remove []*secrets.Secret
	if deleteSecrets {
		// The root's key stays: nobody can make that again.
		remove = slices.DeleteFunc(renew.Removable(state), func(secret *secrets.Secret) bool {
			return slices.ContainsFunc(back, func(b renew.PutBack) bool { return b.Ref == secret.Ref })
		})
		referred, err := renew.StillReferred(state, reverts, back...)
		if err != nil {
			return nil, nil, nil, err
		}
		if referred != "" {
			return nil, nil, nil, hinted(errors.New(referred), "its record of flowcert's edits is gone, or somebody changed the field: take the reference out by hand first, or revert without --delete-secrets")
		}
	}
	if len(files)+len(remove)+len(back) > 0 {
		err = s.store.CheckWritable(files)
	}
	for _, b := range back {
		err = errors.Join(err, s.store.CheckPutBack(b.Record, b.Ref))
	}
	for _, secret := range remove {
		err = errors.Join(err, s.store.CheckOwn(secret))
	}
	return reverts, back, remove, err
}
