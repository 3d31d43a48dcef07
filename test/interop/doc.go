// Package interop holds tests alone: what flowcert writes, against the software that its users run.
//
// The tests build the binary, run it on directories of manifests and use nothing but what it wrote there:
// Secrets' keys become files where the resources mount them, as a kubelet would do, and the options of
// JVMs are those in the resources. openssl, keytool, JVMs, PostgreSQL with pgjdbc and psql, nginx and
// zlint then judge. Package tools finds and starts them; none is ever left out.
package interop
