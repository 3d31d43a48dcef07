package deploy

import (
	"slices"

	"github.com/flowcert/flowcert/yamledit"
)

// Claim is a value of somebody else in a field of flowcert's that flowcert takes
// over: from then on it may change it as one of its own. The ledger keeps claims
// beside the edits; a revert has nothing to do for them, because the edit that
// replaces the value knows what stood there.
type Claim struct {
	Path yamledit.Path
	// Parts are digests of what is taken over: of the value, or of words in a list.
	Parts []string
}

// entry is the claim as the ledger keeps it: without an undo.
func (c Claim) entry() entry { return entry{Edit: c.Path.String(), Parts: c.Parts} }

// claimed tells the entry of a claim.
func (e entry) claimed() bool { return e.Path == "" }

// claimedAt reports whether something at p was somebody else's once.
func (l ledger) claimedAt(p yamledit.Path) bool {
	path := p.String()
	return slices.ContainsFunc(l, func(e entry) bool { return e.claimed() && e.Edit == path })
}

// claim takes over the value at p.
func (e *editor) claim(p yamledit.Path, current any) {
	parts := leafDigests(current, nil)
	if parts == nil {
		parts = []string{leafDigest(nil, current)}
	}
	e.addClaim(Claim{Path: p, Parts: parts})
}

// claimWords takes over words of the list at p that are not flowcert's yet.
func (e *editor) claimWords(p yamledit.Path, words []string) {
	var parts []string
	for _, word := range words {
		if sum := partDigest(word); !e.record.wroteWord(p, word) && !slices.Contains(parts, sum) {
			parts = append(parts, sum)
		}
	}
	if len(parts) > 0 {
		e.addClaim(Claim{Path: p, Parts: parts})
	}
}

func (e *editor) addClaim(c Claim) {
	e.claims = append(e.claims, c)
	e.record = append(slices.Clone(e.record), c.entry())
}
