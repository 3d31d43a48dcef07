// Command flowcert gives IBM Event Processing, Apache Flink and the databases
// they use their certificates, truststores and wiring, and keeps them valid.
package main

import "os"

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
