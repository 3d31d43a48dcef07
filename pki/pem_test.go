package pki

import (
	"bytes"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseCertificates(t *testing.T) {
	w := newWorld(start)
	a, b := w.g1.Certificate, w.g2.Certificate
	pa, pb := string(EncodeCertificates(a)), string(EncodeCertificates(b))
	key := string(must(EncodeKey(w.g1.Key)))
	lines := strings.SplitAfter(pa, "\n")
	text := opensslText(t, pa)
	for _, c := range []struct {
		name string
		data string
		want certs
		err  string
	}{
		{"one", pa, certs{a}, ""},
		{"two", pa + pb, certs{a, b}, ""},
		{"repeated", pa + pa, certs{a, a}, ""},
		{"CRLF", strings.ReplaceAll(pa, "\n", "\r\n"), certs{a}, ""},
		{"no last line end", strings.TrimSpace(pa), certs{a}, ""},
		{"blanks at line ends", strings.ReplaceAll(pa, "\n", "  \n"), certs{a}, ""},
		{"byte order mark", "\ufeff" + pa, certs{a}, ""},
		{"comments", "# the old one\nsubject=CN = x\n\n====\n" + pa + "# the new one\n" + pb + "\n\n", certs{a, b}, ""},
		{"openssl -text", text, certs{a}, ""},
		{"a fingerprint in a comment", Fingerprint(a) + "\n" + pa, certs{a}, ""},
		{"DER", string(a.Raw), certs{a}, ""},
		{"empty", "", nil, "holds no certificate"},
		{"blank", " \n\n", nil, "holds no certificate"},
		{"words", "here be a certificate\n", nil, "holds no certificate"},
		{"key", key, nil, "line 1: holds a private key"},
		{"key behind", pa + key, nil, "holds a private key"},
		{"key before damage", key + lines[0], nil, "holds a private key"},
		{"old key", strings.ReplaceAll(key, "PRIVATE KEY", "RSA PRIVATE KEY"), nil, "holds a private key"},
		{"encrypted key", strings.ReplaceAll(key, "PRIVATE KEY", "ENCRYPTED PRIVATE KEY"), nil, "holds a private key"},
		{"key in DER", string(pemBytes(key)), nil, "holds a private key"},
		{"short key in DER", string(pemBytes(string(must(EncodeKey(mustKey(KeySpec{Ed25519, 0})))))), nil, "holds a private key"},
		{"text that begins with 0", "0: the old one\n0.\n" + pa, certs{a}, ""},
		{"request", strings.ReplaceAll(pa, "CERTIFICATE", "CERTIFICATE REQUEST"), nil, `a "CERTIFICATE REQUEST" block`},
		{"trusted certificate", strings.ReplaceAll(pa, "CERTIFICATE", "TRUSTED CERTIFICATE"), nil, `"TRUSTED CERTIFICATE"`},
		{"PKCS7", strings.ReplaceAll(pa, "CERTIFICATE", "PKCS7"), nil, `a "PKCS7" block`},
		{"with headers", strings.Replace(pa, "\n", "\nA: b\n\n", 1), nil, "PEM headers"},
		{"cut off", strings.Join(lines[:4], ""), nil, "line 1: a PEM block without an end"},
		{"cut off before the next", strings.Join(lines[:4], "") + pb, nil, "line 5: a PEM block begins inside the one of line 1"},
		{"no beginning", strings.Join(lines[1:], ""), nil, "line 1: base64 outside of a PEM block"},
		{"an end alone", pa + lines[len(lines)-2], nil, "has no beginning"},
		{"base64 behind", pa + lines[1], nil, "base64 outside"},
		{"a character lost", pa[:100] + pa[101:], nil, "damaged PEM block"},
		{"a bad character", pa[:100] + "!" + pa[101:], nil, "damaged PEM block"},
		{"a byte changed", flip(a.Raw), nil, "certificate 1, line 1"},
		{"other end", strings.Replace(pa, "END CERTIFICATE", "END X", 1), nil, "damaged PEM block"},
		{"indented", "  " + strings.ReplaceAll(pa, "\n", "\n  "), nil, "line 1: a PEM marker that is damaged, indented"},
		{"on one line", strings.ReplaceAll(pa, "\n", " "), nil, "a PEM marker that is damaged"},
		{"escaped line ends", strings.ReplaceAll(pa, "\n", `\n`), nil, "a PEM marker that is damaged"},
		{"dash lost", pa[1:], nil, "line 2: base64 outside"},
		{"binary", "\x80\x81", nil, "neither PEM nor"},
		{"NUL behind", pa + "\x00", nil, "neither PEM nor"},
		{"JKS", "\xfe\xed\xfe\xed\x00\x00\x00\x02", nil, "JKS store"},
		{"UTF-16", "\xff\xfe-\x00-\x00", nil, "UTF-16"},
		{"DER with more behind", string(a.Raw) + "x", nil, "neither PEM nor one certificate in DER"},
		{"two in DER", string(a.Raw) + string(b.Raw), nil, "neither PEM nor one certificate in DER"},
		{"too large", strings.Repeat("#\n", maxPEM), nil, "at most 1048576 are read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseCertificates([]byte(c.data))
			wantError(t, err, c.err)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("certificates (-want +got):\n%s", diff)
			}
			if strings.Contains(c.err, "private key") && !errors.Is(err, ErrPrivateKey) {
				t.Errorf("%v is not ErrPrivateKey", err)
			}
			if strings.Contains(c.err, "holds no certificate") && !errors.Is(err, ErrNoCertificate) {
				t.Errorf("%v is not ErrNoCertificate", err)
			}
			noSecrets(t, err, key)
		})
	}
}

// noSecrets: no error may hold a piece of a key.
func noSecrets(t *testing.T, err error, key string) {
	t.Helper()
	if err == nil {
		return
	}
	body := string(pemBytes(key))
	encoded := strings.Split(key, "\n")[1]
	for i := 0; i+8 <= len(encoded); i++ {
		if strings.Contains(err.Error(), encoded[i:i+8]) {
			t.Fatalf("error shows a piece of the key: %v", err)
		}
	}
	for i := 0; i+8 <= len(body); i++ {
		if strings.Contains(err.Error(), body[i:i+8]) {
			t.Fatalf("error shows a piece of the key: %v", err)
		}
	}
}

func pemBytes(text string) []byte {
	b, _ := pem.Decode([]byte(text))
	return b.Bytes
}

// flip damages the last byte of the TBS part's version, so that it is no certificate.
func flip(der []byte) string {
	bad := bytes.Clone(der)
	bad[4] ^= 0xff
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: bad}))
}

func opensslText(t *testing.T, text string) string {
	t.Helper()
	cmd := exec.Command(tool(t, "openssl"), "x509", "-text")
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestParseKey(t *testing.T) {
	dir := t.TempDir()
	run := func(args ...string) string { return openssl(t, args...) }
	read := func(name string) string { return string(must(os.ReadFile(filepath.Join(dir, name)))) }
	rsaFile, ecFile := filepath.Join(dir, "rsa"), filepath.Join(dir, "ec")
	run("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", rsaFile)
	run("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", ecFile)
	pkcs8 := func(args ...string) string {
		return run(append([]string{"pkcs8", "-in", ecFile, "-topk8", "-passout", "pass:secret"}, args...)...)
	}
	cert := string(EncodeCertificates(makeRoot("root", start, start.Add(year)).Certificate))
	for _, c := range []struct {
		name string
		data string
		pass string
		err  string
	}{
		{"PKCS8 RSA", read("rsa"), "", ""},
		{"PKCS8 EC", read("ec"), "", ""},
		{"PKCS8 Ed25519", run("genpkey", "-algorithm", "ED25519"), "", ""},
		{"PKCS8 P-521", run("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"), "", ""},
		{"PKCS1", run("rsa", "-in", rsaFile, "-traditional"), "", ""},
		{"SEC1", run("ec", "-in", ecFile), "", ""},
		{"SEC1 with parameters", run("ecparam", "-name", "prime256v1", "-genkey"), "", ""},
		{"passphrase not needed", read("ec"), "secret", ""},
		{"encrypted, default", pkcs8(), "secret", ""},
		{"encrypted, AES-128", pkcs8("-v2", "aes-128-cbc"), "secret", ""},
		{"encrypted, AES-192", pkcs8("-v2", "aes-192-cbc"), "secret", ""},
		{"encrypted, 3DES", pkcs8("-v2", "des3"), "secret", ""},
		{"encrypted, SHA-1", pkcs8("-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA1"), "secret", ""},
		{"encrypted, SHA-512", pkcs8("-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA512"), "secret", ""},
		{"encrypted PKCS1", run("rsa", "-in", rsaFile, "-traditional", "-aes256", "-passout", "pass:secret"), "secret", ""},
		{"encrypted SEC1", run("ec", "-in", ecFile, "-aes128", "-passout", "pass:secret"), "secret", ""},
		{"wrong passphrase", pkcs8(), "Secret", "wrong passphrase"},
		{"passphrase with a line end", pkcs8(), "secret\n", "wrong passphrase"},
		{"no passphrase", pkcs8(), "", "needs a passphrase"},
		{"wrong passphrase, old", run("ec", "-in", ecFile, "-aes128", "-passout", "pass:secret"), "x", "wrong passphrase"},
		{"no passphrase, old", run("ec", "-in", ecFile, "-aes128", "-passout", "pass:secret"), "", "needs a passphrase"},
		{"scrypt", pkcs8("-scrypt"), "secret", "encrypt it anew with openssl pkcs8"},
		{"PBES1", pkcs8("-v1", "PBE-SHA1-3DES"), "secret", "encrypt it anew with openssl pkcs8"},
		{"RSA of 1024", run("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"), "", "RSA key of 1024 bits"},
		{"DSA-like curve", run("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-224"), "", "ECDSA key on P-224"},
		{"X25519", run("genpkey", "-algorithm", "X25519"), "", "not a key that signs"},
		{"unknown curve", run("ecparam", "-name", "secp256k1", "-genkey", "-noout"), "", "damaged or unknown key"},
		{"two keys", read("ec") + read("rsa"), "", "holds 2 private keys"},
		{"certificate", cert, "", `a "CERTIFICATE" block where only a private key belongs`},
		{"key and certificate", read("ec") + cert, "", `a "CERTIFICATE" block`},
		{"public key", run("pkey", "-in", ecFile, "-pubout"), "", `a "PUBLIC KEY" block`},
		{"OpenSSH", strings.ReplaceAll(read("ec"), "PRIVATE KEY", "OPENSSH PRIVATE KEY"), "", "ssh-keygen"},
		{"cut off", read("rsa")[:500], "", "without an end"},
		{"damaged", strings.Replace(read("rsa"), "\nM", "\nN", 1), "", "damaged"},
		{"empty", "", "", "holds no private key"},
		{"words", "secret", "", "holds no private key"},
		{"DER", string(pemBytes(read("ec"))), "", "openssl pkey -inform DER"},
		{"short DER", string(pemBytes(string(must(EncodeKey(mustKey(KeySpec{Ed25519, 0})))))), "", "openssl pkey -inform DER"},
		{"JKS", "\xfe\xed\xfe\xed\x00\x00\x00\x02", "", "holds no private key"},
		{"too large", strings.Repeat("#\n", maxKeyPEM), "", "at most 65536"},
	} {
		t.Run(c.name, func(t *testing.T) {
			key, err := ParseKey([]byte(c.data), []byte(c.pass))
			wantError(t, err, c.err)
			noSecrets(t, err, read("rsa"))
			noSecrets(t, err, read("ec"))
			if err != nil {
				return
			}
			again, err := ParseKey(must(EncodeKey(key)), nil)
			if err != nil || !SameKey(makeRootFor(t, key), again) {
				t.Errorf("does not survive EncodeKey: %v", err)
			}
		})
	}
}

// Damaged encryption parameters are errors; in other libraries they panic.
func TestParseKeyDamagedEncryption(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ec")
	openssl(t, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", file)
	der := pemBytes(openssl(t, "pkcs8", "-in", file, "-topk8", "-passout", "pass:secret"))
	for i := range der {
		for _, x := range []byte{0x01, 0x80, 0xff} {
			bad := bytes.Clone(der)
			bad[i] ^= x
			data := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: bad})
			_, _ = ParseKey(data, []byte("secret")) // must not panic
		}
	}
	_, err := ParseKey(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der[:len(der)-1]}), []byte("secret"))
	wantError(t, err, "damaged")
}

// Parameters that are well-formed and still wrong.
func TestDecryptPKCS8Parameters(t *testing.T) {
	seed, _ := pem.Decode([]byte(encryptedSeed))
	for _, c := range []struct {
		name string
		edit func(*encryptedKey, *pbes2, *pbkdf2Params, *[]byte)
		want string
	}{
		{"as they are", func(*encryptedKey, *pbes2, *pbkdf2Params, *[]byte) {}, ""},
		{"short IV", func(_ *encryptedKey, _ *pbes2, _ *pbkdf2Params, iv *[]byte) { *iv = (*iv)[1:] }, "not whole blocks"},
		{"no IV", func(_ *encryptedKey, _ *pbes2, _ *pbkdf2Params, iv *[]byte) { *iv = nil }, "not whole blocks"},
		{"part of a block", func(k *encryptedKey, _ *pbes2, _ *pbkdf2Params, _ *[]byte) { k.Data = k.Data[1:] }, "not whole blocks"},
		{"nothing", func(k *encryptedKey, _ *pbes2, _ *pbkdf2Params, _ *[]byte) { k.Data = nil }, "not whole blocks"},
		{"key length given", func(_ *encryptedKey, _ *pbes2, p *pbkdf2Params, _ *[]byte) { p.KeyLength = 32 }, ""},
		{"other key length", func(_ *encryptedKey, _ *pbes2, p *pbkdf2Params, _ *[]byte) { p.KeyLength = 16 }, "not supported"},
		{"no iteration", func(_ *encryptedKey, _ *pbes2, p *pbkdf2Params, _ *[]byte) { p.Iterations = 0 }, "want 1 to"},
		{"endless iterations", func(_ *encryptedKey, _ *pbes2, p *pbkdf2Params, _ *[]byte) { p.Iterations = maxIterations + 1 }, "want 1 to"},
		{"other hash", func(_ *encryptedKey, _ *pbes2, p *pbkdf2Params, _ *[]byte) { p.PRF.Algorithm[5] += 20 }, "not supported"},
		{"other cipher", func(_ *encryptedKey, s *pbes2, _ *pbkdf2Params, _ *[]byte) { s.Cipher.Algorithm[8]++ }, "not supported"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var key encryptedKey
			var scheme pbes2
			var kdf pbkdf2Params
			var iv []byte
			for _, err := range []error{
				unmarshalAll(seed.Bytes, &key),
				unmarshalAll(key.Algorithm.Parameters.FullBytes, &scheme),
				unmarshalAll(scheme.KDF.Parameters.FullBytes, &kdf),
				unmarshalAll(scheme.Cipher.Parameters.FullBytes, &iv),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			c.edit(&key, &scheme, &kdf, &iv)
			scheme.KDF.Parameters = asn1.RawValue{FullBytes: must(asn1.Marshal(kdf))}
			scheme.Cipher.Parameters = asn1.RawValue{FullBytes: must(asn1.Marshal(iv))}
			key.Algorithm.Parameters = asn1.RawValue{FullBytes: must(asn1.Marshal(scheme))}
			_, err := decryptPKCS8(must(asn1.Marshal(key)), []byte("secret"))
			wantError(t, err, c.want)
		})
	}
}

// One wrong passphrase in 256 decrypts to something with good padding.
func TestWrongPassphrases(t *testing.T) {
	for i := range 1000 {
		_, err := ParseKey([]byte(encryptedSeed), fmt.Appendf(nil, "wrong %d", i))
		if !errors.Is(err, ErrWrongPassphrase) {
			t.Fatalf("wrong %d: %v", i, err)
		}
	}
	if _, err := ParseKey([]byte(encryptedSeed), []byte("secret")); err != nil {
		t.Error(err)
	}
}

func TestEncodeKey(t *testing.T) {
	for _, spec := range []KeySpec{{RSA, 2048}, {ECDSA, 256}, {ECDSA, 384}, {Ed25519, 0}} {
		file := filepath.Join(t.TempDir(), "key")
		data := must(EncodeKey(mustKey(spec)))
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		openssl(t, "pkey", "-in", file, "-check", "-noout")
		if !bytes.HasPrefix(data, []byte("-----BEGIN PRIVATE KEY-----\n")) {
			t.Errorf("%s: %.40s", spec, data)
		}
	}
	_, err := EncodeKey(nil)
	wantError(t, err, "encode a key")
}
