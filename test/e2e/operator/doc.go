// Package operator runs what flowcert makes by the real Apache Flink Kubernetes operator, with `make e2e`.
package operator
