package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/flowcert/flowcert/config"
	"github.com/flowcert/flowcert/daemon"
	"github.com/flowcert/flowcert/kube"
)

func (a *app) runCommand() *cobra.Command {
	var listen, format string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Keep the cluster as the configuration wants it, for as long as it runs",
		Long: `Looks when something has changed, when something is due, and now and then anyway,
and does what apply would do. One of several works at a time; the others stand by.

A configuration that has changed is taken over; one that does not read is
reported, and the last good one stays in force.

/healthz, /readyz and /metrics are answered at --listen. What people should know
is told in Events on the resources, and logged to standard error.

Exit status: 0 it was told to end, 1 error of the start.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.dir != "" {
				return hinted(errors.New("a directory does not run"), "leave --dir out, or run "+a.line("apply"))
			}
			log, err := a.logger(format)
			if err != nil {
				return err
			}
			return a.daemon(cmd.Context(), listen, log)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", ":8080", "address of /healthz, /readyz and /metrics")
	cmd.Flags().StringVar(&format, "log-format", "text", "log format: text or json")
	return cmd
}

func (a *app) logger(format string) (*slog.Logger, error) {
	options := &slog.HandlerOptions{Level: slog.LevelInfo}
	if a.verbose {
		options.Level = slog.LevelDebug
	}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(a.stderr, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(a.stderr, options)), nil
	}
	return nil, hinted(fmt.Errorf("--log-format %s is not a format", format), "use text or json")
}

// daemon serves its health and works until it is told to end.
func (a *app) daemon(ctx context.Context, listen string, log *slog.Logger) error {
	client, err := a.connect()
	if err != nil {
		return err
	}
	me := identity()
	d := &daemon.Daemon{
		Load:    func() (*config.Config, error) { return a.load(a.configFile()) },
		Open:    func(cfg *config.Config) daemon.Store { return kube.NewStore(client, cfg, me) },
		Lease:   func(cfg *config.Config) daemon.Lease { return kube.NewLease(client, cfg.Namespace, leaseName, me) },
		Log:     log,
		Metrics: daemon.NewMetrics(programVersion(), runtime.Version()),
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return hinted(fmt.Errorf("--listen: %w", err), "give another address, such as --listen 127.0.0.1:0")
	}
	ctx, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() {
		served <- d.Serve(ctx, listener)
		stop() // without its health it would be killed anyway
	}()
	log.Info("flowcert runs", "version", programVersion(), "cluster", client.Host, "listen", listener.Addr().String())
	err = d.Run(ctx)
	stop()
	return errors.Join(err, <-served)
}
