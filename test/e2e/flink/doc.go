// Package flink runs what flowcert makes on real Flink clusters: `make e2e`. Its tests have the build tag
// e2e, because they need a download of some 500 MB and several JVMs at once.
package flink
