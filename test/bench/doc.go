// Package bench measures flowcert beside the manual procedure: `make bench`.
//
// Everything is measured in one run, on processes as users start them. To tell key generation from
// the rest, and waiting for the disk from computing, flowcert is built twice more from sources that
// differ in one line each: in the one, keys are not generated but handed out, in the other, files are
// not synchronized either. No package needs a hook for it.
//
// Nothing here decides whether a change is right: figures depend on the machine and on what else it
// does.
package bench
