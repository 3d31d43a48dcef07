package yamledit

// style is how a document is indented.
type style struct {
	step int // columns from a key to the keys below it
	dash int // columns from a key to the dashes below it, 0 if they are not indented
	gap  int // blanks after a dash
}

// styleOf is what prevails in the document; 2 columns, indented dashes and one
// blank where it does not tell.
func (t text) styleOf(root *node) style {
	steps, dashes, gaps := map[int]int{}, map[int]int{}, map[int]int{}
	t.count(root, steps, dashes, gaps)
	s := style{step: prevailing(steps, 2), gap: prevailing(gaps, 1)}
	s.dash = prevailing(dashes, s.step)
	return s
}

func (t text) count(n *node, steps, dashes, gaps map[int]int) {
	for _, e := range n.entries {
		v := e.value
		if n.isBlock() && v.isBlock() && len(v.entries) > 0 {
			in := t.col(v.entries[0].at) - t.col(e.at)
			switch {
			case e.key == nil:
			case v.entries[0].key == nil:
				dashes[in]++
			case in > 0:
				steps[in]++
			}
		}
		if n.isBlock() && e.key == nil && !v.isAbsent() && t.lineOf(v.start) == t.lineOf(e.at) {
			gaps[v.start-e.at-1]++
		}
		t.count(v, steps, dashes, gaps)
	}
}

// prevailing is the value counted most often, among equals the default, then
// the greatest.
func prevailing(counts map[int]int, byDefault int) int {
	best, most := byDefault, counts[byDefault]
	for v, n := range counts {
		if n > most || n == most && best != byDefault && v > best {
			best, most = v, n
		}
	}
	return best
}
