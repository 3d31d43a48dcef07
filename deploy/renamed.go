package deploy

import (
	"slices"

	"github.com/flowcert/flowcert/yamledit"
)

// renamed puts a list entry in the record in the place of an earlier one of
// flowcert's. Entries of trustedCertificates are found by the Secret's name,
// which every version changes, so that a renewal adds one entry and removes
// another; what stood there before flowcert is known by the earlier's record.
// It returns the record and the fresh entries that are left.
func (w pass) renamed(record, fresh ledger) (ledger, ledger) {
	record, left := slices.Clone(record), slices.Clone(fresh)
	for i, h := range record {
		old, err := yamledit.ParsePath(h.Path)
		if _, there := yamledit.Get(w.after, old); err != nil || there || h.New == 0 || h.Edit != "" || !w.intact(h, old) {
			continue
		}
		gone := slices.IndexFunc(left, func(e entry) bool { return e.path() == h.Path })
		added := slices.IndexFunc(left, func(e entry) bool { return e.New == 1 && e.Wrote != "" && siblings(e.Path, old) })
		if gone < 0 || added < 0 {
			continue
		}
		record[i].Path, record[i].Wrote, record[i].Parts = left[added].Path, left[added].Wrote, left[added].Parts
		for _, j := range []int{max(gone, added), min(gone, added)} {
			left = slices.Delete(left, j, j+1)
		}
	}
	return record, left
}

// siblings reports whether the path leads to an entry of the same list as p,
// found by the same field.
func siblings(path string, p yamledit.Path) bool {
	other, err := yamledit.ParsePath(path)
	if err != nil || len(other) != len(p) || len(p) == 0 {
		return false
	}
	last, otherLast := p[len(p)-1], other[len(p)-1]
	return last.Field != "" && last.Field == otherLast.Field && slices.Equal(p[:len(p)-1], other[:len(p)-1])
}
