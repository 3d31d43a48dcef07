package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/kube"
)

// leaseName is the Lease, in the configuration's namespace, that whoever writes
// holds.
const leaseName = "flowcert"

// openCluster connects to the cluster of the flags, the environment or the pod.
func (a *app) openCluster(cfg *config.Config) (*site, error) {
	client, err := a.connect()
	if err != nil {
		return nil, err
	}
	store := kube.NewStore(client, cfg, identity())
	return &site{cfg: cfg, store: store, kube: store, api: client}, nil
}

func (a *app) connect() (*kube.Client, error) {
	client, err := kube.Connect(kube.Options{KubeConfig: a.kubeconfig, Context: a.context, UserAgent: "flowcert/" + programVersion()})
	if errors.Is(err, kube.ErrNoCluster) {
		return nil, hinted(err, "give --kubeconfig FILE, or --dir DIR to work on a directory of manifests")
	}
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: %w", err)
	}
	return client, nil
}

// identity tells this process from every other one: a pod's name is its host's.
func identity() string {
	host, err := os.Hostname()
	if err != nil {
		host = "flowcert"
	}
	return host + "_" + rand.Text()[:8]
}

func (s *site) lease() *kube.Lease {
	return kube.NewLease(s.api, s.cfg.Namespace, leaseName, identity())
}

// lockCluster takes the lease, or says who has it.
func (a *app) lockCluster(ctx context.Context, s *site) (held context.Context, unlock func(), err error) {
	lease := s.lease()
	holder, err := lease.Try(ctx)
	if err != nil {
		return nil, nil, err
	}
	if !lease.Is(holder) {
		return nil, nil, hinted(fmt.Errorf("%s is at work in the cluster (lease %s/%s)", holder, s.cfg.Namespace, leaseName),
			"wait until it has ended; a daemon has to be stopped: kubectl scale --replicas 0 deployment/flowcert -n "+s.cfg.Namespace)
	}
	held, unlock = lease.Hold(ctx)
	return held, unlock, nil
}
