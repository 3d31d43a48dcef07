package renew

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowcert/flowcert/deploy"
	"github.com/flowcert/flowcert/pki"
	"github.com/flowcert/flowcert/secrets"
	"github.com/flowcert/flowcert/truststore"
)

// These are walks through changes in a fixed order. After each the walker looks at
// everything, see changewalk_test.go.

// does is a change that always finds something to do.
func does(what string, do func(*walker)) change {
	return change{what, func(w *walker) string { do(w); return "done" }}
}

func walkThrough(t *testing.T, changes ...change) *walker {
	t.Helper()
	w := newWalk(t, 1, func(w *walker) {
		w.steady = true
		w.conf.Certificates = []walkCert{{Namespace: "databases", SecretName: "reader", Usages: []string{"client"}, Naming: "fixed"}}
	})
	for _, c := range changes {
		w.change(c)
		if !strings.Contains(w.log[len(w.log)-1], "refused") && !t.Failed() {
			continue
		}
		t.Fatalf("%s: not done", c.name)
	}
	return w
}

// later lets everything be rolled out, and the soak time pass.
func (w *walker) later() {
	w.rollOut()
	w.now = w.now.Add(25 * time.Hour)
}

func (w *walker) renewal(target string) {
	marked, err := Wish(w.plan(w.now), w.observe(w.now), target)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, s := range marked {
		if err := w.store.UpdateSecret(context.Background(), s); err != nil {
			w.t.Fatal(err)
		}
	}
}

// handMade takes a FlinkDeployment over, an EventProcessing that calls it where ep is
// not empty, and a truststore where store is not.
func handMade(ep, flink, store string) change {
	return does("adopt "+flink+" "+ep, func(w *walker) {
		s := w.byHand("ea")
		if store != "" {
			store = s.truststore(truststore.JKS, store)
		}
		s.addFlink(flink, store, truststore.JKS, truststore.JKS)
		if ep != "" {
			s.addEP(ep, flink, store, truststore.JKS)
		}
		w.taking = s
	})
}

func withFlink(name string) change {
	return does("add "+name, func(w *walker) {
		w.conf.FlinkDeployments = append(w.conf.FlinkDeployments, walkFlink{name, "ea", walkTLS{true, true, "JKS"}})
		w.put("FlinkDeployment", "ea", name, walkingFlink)
	})
}

func withEP(name string) change {
	return does("add "+name, func(w *walker) {
		w.conf.EventProcessing = append(w.conf.EventProcessing, walkEP{Name: name, Namespace: "ea"})
		w.put("EventProcessing", "ea", name, walkingEP)
	})
}

func withTruststore(naming string, sources ...walkSource) change {
	return does("a truststore", func(w *walker) {
		w.conf.Truststores = []walkTrust{{Name: "ssl-truststore", Namespace: "ea", Format: "JKS", Naming: naming, PublicCAs: false, Sources: sources}}
	})
}

// TestOperatorOfAnAdoptedFlink: the Flink operator has its truststore of flowcert's
// when a FlinkDeployment under another CA is taken over. It gets that CA, because
// Flink goes on serving what it has until all of its clients know the new root.
func TestOperatorOfAnAdoptedFlink(t *testing.T) {
	walkThrough(t, does("an operator", func(w *walker) { w.conf.FlinkOperator = &walkOperator{"flink", false} }), withFlink("fa"), handMade("", "fb", ""))
}

// TestOperatorOfAnAdoptedFlinkThatIsGivenUp: its author had turned TLS on; flowcert.yaml
// asks for it no more, and it serves what flowcert made all the same.
func TestOperatorOfAnAdoptedFlinkThatIsGivenUp(t *testing.T) {
	walkThrough(t, handMade("", "fa", ""),
		does("TLS is not asked for", func(w *walker) { w.conf.FlinkDeployments[0].TLS = walkTLS{Format: "JKS"} }),
		does("an operator", func(w *walker) { w.conf.FlinkOperator = &walkOperator{"flink", false} }))
}

// TestRootThatNothingNeedsStaysAway: a truststore that lost an older root in one pass
// does not get it back in the next, because the older root verifies the new leaf, too:
// that would be two restarts.
func TestRootThatNothingNeedsStaysAway(t *testing.T) {
	walkThrough(t, handMade("ep-two", "fa", ""),
		does("another root", func(w *walker) { w.wishAnother(false) }),
		does("Flink's certificate follows, and Event Processing restarts", func(w *walker) {
			w.later()
			w.renewal(deploy.Target(deploy.EventProcessingKind, "ea", "ep-two"))
		}))
}

// TestRootsInQuickSuccession: without intermediates, another root is asked for again
// and again, and nothing is rolled out in between. Who knows the first root alone is
// led to the newest as far as a chain reaches, and waited for beyond that.
func TestRootsInQuickSuccession(t *testing.T) {
	another := does("another root", func(w *walker) { w.wishAnother(false) })
	walkThrough(t, does("no intermediate", func(w *walker) {
		w.conf.Authority = map[string]any{"selfSigned": map[string]any{"key": walkKey{"ECDSA", 256}, "intermediate": "none"}}
	}), withFlink("fa"), another, another, another, another)
}

// TestBundleThatNothingNeedsStaysAway is the same of the API server.
func TestBundleThatNothingNeedsStaysAway(t *testing.T) {
	walkThrough(t, does("a webhook", func(w *walker) { w.conf.FlinkOperator = &walkOperator{"flink", true} }), withFlink("fa"),
		does("the root is compromised", func(w *walker) { w.wishAnother(true) }),
		does("another root", func(w *walker) { w.wishAnother(false) }),
		does("the webhook's certificate follows", (*walker).later))
}

// TestAdoptedServerOfATruststore: a database is taken over. Whoever trusts the
// authority for it gets the CA under which it still serves in the same pass, and not
// by another restart.
func TestAdoptedServerOfATruststore(t *testing.T) {
	walkThrough(t, withFlink("fa"), withEP("my-ep"), withTruststore("versioned", walkSource{Name: "own", Authority: true}),
		does("adopt a certificate", func(w *walker) {
			if w.adoptThe(walkCert{Namespace: "eb", SecretName: "orders-db", DNSNames: []string{"orders-db"}, Naming: "fixed"}) == "" {
				w.t.Fatal("nothing to adopt")
			}
		}))
}

// TestRenamedTruststoreKeepsWhatWasAdopted: another name in flowcert.yaml takes
// nothing away, nor do later versions.
func TestRenamedTruststoreKeepsWhatWasAdopted(t *testing.T) {
	for _, naming := range []string{"versioned", "fixed"} {
		t.Run(naming, func(t *testing.T) {
			w := walkThrough(t, withTruststore(naming, walkSource{Name: "db", File: "db.pem"}), handMade("ep-two", "fa", "their-trust"),
				does("rename", func(w *walker) { w.conf.Truststores[0].Name = "trust-two" }),
				does("time", (*walker).later),
				does("another source", func(w *walker) {
					w.later()
					w.conf.Truststores[0].Sources = append(w.conf.Truststores[0].Sources, walkSource{Name: "other", File: "other.pem"})
				}))
			if len(w.keeps["eventProcessing/ea/ep-two truststore"]) == 0 {
				t.Error("nothing was taken over")
			}
		})
	}
}

// TestFlinkThatComesToATruststore: who begins to mount a truststore of a fixed name
// starts with what it holds now, and does not restart for what it held before.
func TestFlinkThatComesToATruststore(t *testing.T) {
	w := walkThrough(t, withTruststore("fixed", walkSource{Name: "db", File: "db.pem"}), withFlink("fa"), handMade("", "fb", "their-trust"))
	if text := w.files()[w.file("FlinkDeployment", "ea", "fb")]; strings.Contains(text, "restartNonce") {
		t.Errorf("it restarts once more:\n%s", text)
	}
}

// TestFlinkThatComesToAnAdoptedTruststore is the same where the truststore of the fixed
// name was somebody else's, wherever the adoption was stopped.
func TestFlinkThatComesToAnAdoptedTruststore(t *testing.T) {
	for stops := range 5 {
		w := walkThrough(t, withFlink("fa"), does("stop", func(w *walker) { w.stops = stops }),
			does("adopt", func(w *walker) {
				w.conf.Truststores = []walkTrust{{Name: "ssl-truststore", Namespace: "ea", Format: "JKS", Naming: "fixed", PublicCAs: false, Sources: []walkSource{{Name: "db", File: "db.pem"}, {Name: "other", File: "other.pem"}}}}
				s := w.byHand("ea")
				s.addEP("ep-two", "fa", s.truststore(truststore.JKS, "ssl-truststore"), truststore.JKS)
				w.taking = s
			}))
		if text := w.files()[w.file("FlinkDeployment", "ea", "fa")]; strings.Contains(text, "restartNonce") {
			t.Errorf("stopped after %d: it restarts once more:\n%s", stops, text)
		}
	}
}

// TestCompromiseIsOver: what nothing used during a compromise is not in use again when
// that is over, because the soak time counts again.
func TestCompromiseIsOver(t *testing.T) {
	w := walkThrough(t, handMade("ep-two", "fa", ""), does("the root is compromised", func(w *walker) { w.wishAnother(true) }))
	for range 4 {
		w.rollOut()
		w.pass()
	}
	p := newPlanner(w.cfg, w.observe(w.now))
	if p.state.compromise() {
		t.Fatalf("it never ends: %v", w.plan(w.now).Waits)
	}
	records := p.state.versions[slot{deploy.Target(deploy.FlinkDeploymentKind, "ea", "fa"), secrets.RoleAdopted}]
	if len(records) != 1 || !p.retired(records[0]) {
		t.Errorf("what was taken over is in use again: %v", records)
	}
}

// TestCompromisedAndGivenUp: what flowcert.yaml gave up and still uses a compromised
// root keeps it, and the wait says what to do, for no rollout helps.
func TestCompromisedAndGivenUp(t *testing.T) {
	for name, giveUp := range map[string]struct {
		do   func(*walker)
		want string
	}{
		"a resource":    {func(w *walker) { w.conf.FlinkDeployments = nil }, "flinkDeployment/ea/fa uses it, and flowcert.yaml does not ask for it any more: put back"},
		"TLS":           {func(w *walker) { w.conf.FlinkDeployments[0].TLS = walkTLS{Format: "JKS"} }, "flinkDeployment/ea/fa uses it, and flowcert.yaml does not ask"},
		"a certificate": {func(w *walker) { w.conf.Certificates = w.conf.Certificates[:1] }, "flowcert.yaml does not ask for it any more: put back certificate/ea/orders-db"},
	} {
		t.Run(name, func(t *testing.T) {
			w := walkThrough(t, withFlink("fa"), withEP("my-ep"),
				does("a certificate", func(w *walker) {
					w.conf.Certificates = append(w.conf.Certificates, walkCert{Namespace: "ea", SecretName: "orders-db", DNSNames: []string{"orders-db"}, Naming: "fixed"})
				}),
				does("give up", giveUp.do), does("the root is compromised", func(w *walker) { w.wishAnother(true) }))
			for range 4 {
				w.rollOut()
				w.pass()
			}
			if waits := w.plan(w.now).Waits; !slices.ContainsFunc(waits, func(wait Wait) bool { return strings.Contains(wait.For, giveUp.want) }) {
				t.Errorf("nobody is told: %s", fmt.Sprint(waits))
			}
		})
	}
}

// TestTruststoreOfCompromisedRootsAlone: a truststore that is new has no use for a root
// that was put down, even where its source holds nothing else.
func TestTruststoreOfCompromisedRootsAlone(t *testing.T) {
	w := walkThrough(t, withFlink("fa"), does("the root is compromised", func(w *walker) { w.wishAnother(true) }))
	for range 3 {
		w.rollOut()
		w.pass()
	}
	w.write("db.pem", string(pki.EncodeCertificates(w.compromised...)))
	w.conf.Truststores = []walkTrust{{Name: "ssl-truststore", Namespace: "ea", Format: "JKS", Naming: "versioned", PublicCAs: false, Sources: []walkSource{{Name: "db", File: "db.pem"}}}}
	w.write("flowcert.yaml", w.yaml())
	w.reload()
	faults := w.plan(w.now).Faults
	if len(faults) == 0 || !strings.Contains(faults[0].Err.Error(), "compromised roots alone") || hintOf(faults[0].Err) == "" {
		t.Fatalf("it is not refused: %v", faults)
	}
	w.write("db.pem", string(pki.EncodeCertificates(newCA(t, "database CA", testNow.AddDate(-1, 0, 0)).root)))
	w.pass()
}
