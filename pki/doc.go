// Package pki makes and checks the certificates that flowcert hands out: keys,
// roots, intermediates, leaves, the names in them, their PEM form, and the
// question "would this client accept this chain?". It does no I/O and knows no
// clock: bytes and times are arguments.
//
// Call [GenerateKey] and [NewRoot] for a self-made authority, [NewIntermediate]
// for each namespace it serves, [NewLeaf] for a server or client, [CrossSign]
// when a new root takes over. [EventProcessingNames] and [FlinkNames] say which
// names a leaf needs, [NamespaceConstraints] what its intermediate may sign.
// [ParseCertificates] and [ParseKey] read what users bring. [VerifyChain] and
// [VerifyUntil] decide on real bytes under the [Profile] of a client.
//
// It refuses to sign what no client would accept: by an issuer that is no CA, may
// not sign, is too short a path for what is asked or does not own its key; past
// the issuer's end; outside its name constraints; for names that are not DNS
// names; with a subject past the bounds of X.520. Every certificate is verified
// again after it was signed, because the signing library checks none of this. It
// refuses private keys where certificates are expected, and damaged PEM instead
// of skipping it. Keys and passphrases never appear in its errors.
package pki
