package renew

import (
	"context"
	"crypto"
	"runtime"

	"github.com/flowcert/flowcert/pki"
)

type keyResult struct {
	key crypto.Signer
	err error
}

// makeKeys generates the keys that a plan needs, as many at a time as there are
// processors, in the order in which they are needed: with RSA they are nearly all
// of the work.
func makeKeys(ctx context.Context, plan *Plan) map[Action]<-chan keyResult {
	type job struct {
		spec pki.KeySpec
		out  chan<- keyResult
	}
	keys := map[Action]<-chan keyResult{}
	jobs := make(chan job, len(plan.Actions))
	for _, a := range plan.Actions {
		if spec, ok := keySpec(a); ok {
			out := make(chan keyResult, 1)
			keys[a] = out
			jobs <- job{spec, out}
		}
	}
	close(jobs)
	for range runtime.GOMAXPROCS(0) {
		go func() {
			for j := range jobs {
				if err := ctx.Err(); err != nil {
					j.out <- keyResult{err: err}
					continue
				}
				key, err := pki.GenerateKey(j.spec)
				j.out <- keyResult{key, err}
			}
		}()
	}
	return keys
}

func keySpec(a Action) (pki.KeySpec, bool) {
	switch a := a.(type) {
	case *MakeRoot:
		return a.Key, true
	case *MakeIntermediate:
		return a.Key, true
	case *MakeLeaf:
		return a.Key, a.Keep == nil
	}
	return pki.KeySpec{}, false
}

func (r *runner) key(a Action) (crypto.Signer, error) {
	res := <-r.keys[a]
	return res.key, res.err
}
