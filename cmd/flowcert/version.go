package main

import (
	"errors"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			info, ok := debug.ReadBuildInfo()
			if !ok {
				return errors.New("this binary carries no build information")
			}
			if a.json() {
				return a.printJSON(struct {
					Version string `json:"version"`
					Go      string `json:"go"`
				}{info.Main.Version, info.GoVersion})
			}
			a.print("flowcert %s %s\n", info.Main.Version, info.GoVersion)
			return nil
		},
	}
}

// programVersion is the version alone, for logs and the API server's audit log.
func programVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
