package cluster

import (
	"os"
	"path/filepath"
	"testing"
)

// TestAuditLog: a watch is one request although it is logged twice, and a line that is not complete is read later.
func TestAuditLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	log := auditLog{path: path}
	write := func(text string) {
		t.Helper()
		file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if _, err := file.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(marker string, found bool, uris ...string) {
		t.Helper()
		requests, got, err := log.read(marker)
		if err != nil || got != found || len(requests) != len(uris) {
			t.Fatalf("%v, %v, %v, want %v, %v", requests, got, err, uris, found)
		}
		for i, r := range requests {
			if r.URI != uris[i] {
				t.Errorf("request %d is for %s, want %s", i, r.URI, uris[i])
			}
		}
	}
	expect(markers+"1", false)
	write(`{"auditID":"a","requestURI":"/watch","verb":"watch","responseStatus":{"code":200}}` + "\n" + `{"auditID":"b","requestURI":"/get","us`)
	expect(markers+"1", false, "/watch")
	write(`er":{"username":"me"},"objectRef":{"resource":"secrets","subresource":"x","apiGroup":"g","namespace":"n","name":"s"},"responseStatus":{"code":404}}` + "\n")
	write(`{"auditID":"a","requestURI":"/watch","verb":"watch","responseStatus":{"code":201}}` + "\n" + `{"auditID":"c","requestURI":"` + markers + `1"}` + "\n")
	expect(markers+"1", true, "/watch", "/get")
	expect(markers+"2", false, "/watch", "/get")
	requests, _, err := log.read("")
	if err != nil {
		t.Fatal(err)
	}
	want := Request{User: "me", Group: "g", Resource: "secrets", Subresource: "x", Namespace: "n", Name: "s", URI: "/get", Code: 404}
	if requests[1] != want || requests[0].Code != 201 {
		t.Errorf("%+v", requests)
	}
	write("no JSON\n")
	if _, _, err := log.read(""); err == nil {
		t.Error("a line that is no JSON was read")
	}
}
