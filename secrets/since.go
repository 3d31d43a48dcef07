package secrets

import "time"

// Since is when the Secret got the data that it has: when flowcert wrote it, or
// later, when somebody handed it to the cluster. A cluster notes that with the
// fields that each writer manages (Kubernetes documentation, "Server-Side Apply",
// field management); times are whole seconds.
func (s *Secret) Since() time.Time {
	if made := s.Created(); made.After(s.Handed) {
		return made
	}
	return s.Handed
}

// dataTime is the latest time at which a writer of the Secret's data wrote; zero
// where nothing says so.
func dataTime(meta map[string]any) (at time.Time) {
	writers, _ := meta["managedFields"].([]any)
	for _, w := range writers {
		writer, _ := w.(map[string]any)
		fields, _ := writer["fieldsV1"].(map[string]any)
		text, _ := writer["time"].(string)
		t, err := time.Parse(time.RFC3339, text)
		if _, data := fields["f:data"]; data && err == nil && t.After(at) {
			at = t
		}
	}
	return at
}
