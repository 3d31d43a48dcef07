package backup

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"
)

const passphrase = "a passphrase for this test"

// quick is a file whose key derivation takes no time.
func quick(t *testing.T, text string) []byte {
	t.Helper()
	data, err := encrypt([]byte(text), passphrase, 1)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// decrypt reads and opens a file.
func decrypt(data []byte, passphrase string) ([]byte, error) {
	f, err := Read(data)
	if err != nil {
		return nil, err
	}
	return f.Decrypt(passphrase)
}

func TestRoundTrip(t *testing.T) {
	for _, text := range []string{"", "one line\n", strings.Repeat("of several chunks\n", 20_000)} {
		data := quick(t, text)
		if bytes.Contains(data, []byte("one line")) {
			t.Error("the text is readable")
		}
		got, err := decrypt(data, passphrase)
		if err != nil || string(got) != text {
			t.Errorf("%d bytes came back as %d: %v", len(text), len(got), err)
		}
	}
}

// TestEncrypt takes the work factor that users get, and age's own reader.
func TestEncrypt(t *testing.T) {
	data, err := Encrypt([]byte("text"), passphrase)
	if err != nil {
		t.Fatal(err)
	}
	identity, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		t.Fatal(err)
	}
	identity.SetMaxWorkFactor(workFactor)
	r, err := age.Decrypt(armor.NewReader(bytes.NewReader(data)), identity)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if _, err := got.ReadFrom(r); err != nil || got.String() != "text" {
		t.Errorf("age reads %q, %v", got.String(), err)
	}
	identity.SetMaxWorkFactor(workFactor - 1)
	if _, err := age.Decrypt(armor.NewReader(bytes.NewReader(data)), identity); err == nil {
		t.Errorf("the work factor is below %d", workFactor)
	}
}

func TestWithoutArmor(t *testing.T) {
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		t.Fatal(err)
	}
	recipient.SetWorkFactor(1)
	data := encryptTo(t, recipient)
	if got, err := decrypt(data, passphrase); err != nil || string(got) != "text" {
		t.Errorf("%q, %v", got, err)
	}
	for n := range data {
		if _, err := decrypt(data[:n], passphrase); err == nil {
			t.Fatalf("the first %d of %d bytes are taken for the whole", n, len(data))
		}
	}
}

func encryptTo(t *testing.T, recipient age.Recipient) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := age.Encrypt(&out, recipient)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("text")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestRefused(t *testing.T) {
	whole := quick(t, "text")
	toKey, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(whole), "\n")
	cases := map[string]struct {
		data []byte
		want error
	}{
		"nothing":              {nil, ErrNoBackup},
		"some text":            {[]byte("some text\n"), ErrNoBackup},
		"a key in PEM":         {[]byte("-----BEGIN CERTIFICATE-----\n"), ErrNoBackup},
		"the first line":       {[]byte(lines[0]), ErrCutOff},
		"no last line":         {[]byte(strings.Join(lines[:len(lines)-2], "")), ErrCutOff},
		"half":                 {whole[:len(whole)/2], ErrCutOff},
		"only first and last":  {[]byte(lines[0] + lines[len(lines)-2]), ErrChanged},
		"a line in the middle": {[]byte(strings.Replace(string(whole), lines[2], "", 1)), ErrChanged},
		"words behind it":      {append(bytes.Clone(whole), "words"...), ErrChanged},
		"to a key":             {encryptTo(t, toKey.Recipient()), ErrKeys},
		"much work":            {[]byte(binaryIntro + "-> scrypt AAAAAAAAAAAAAAAAAAAAAA 21\n" + strings.Repeat("A", 43) + "\n--- " + strings.Repeat("A", 43) + "\n"), ErrWork},
		"endless work":         {[]byte(binaryIntro + "-> scrypt AAAAAAAAAAAAAAAAAAAAAA 99999999999999999999\n" + strings.Repeat("A", 43) + "\n--- " + strings.Repeat("A", 43) + "\n"), ErrWork},
		"a header alone":       {[]byte(binaryIntro), ErrCutOff},
	}
	for name, c := range cases {
		if _, err := decrypt(c.data, passphrase); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := Read(make([]byte, MaxSize+1)); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a huge file: %v", err)
	}
}

func TestWrongPassphrase(t *testing.T) {
	data := quick(t, "text")
	for _, wrong := range []string{"", "another", passphrase + " "} {
		if _, err := decrypt(data, wrong); !errors.Is(err, ErrPassphrase) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

// TestChanged turns every bit of a file: none of them goes unnoticed.
func TestChanged(t *testing.T) {
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		t.Fatal(err)
	}
	recipient.SetWorkFactor(1)
	whole := encryptTo(t, recipient)
	for i := range whole {
		for bit := range 8 {
			data := bytes.Clone(whole)
			data[i] ^= 1 << bit
			if _, err := decrypt(data, passphrase); err == nil {
				t.Fatalf("bit %d of byte %d", bit, i)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	data, err := encrypt([]byte("text"), passphrase, 1)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(binaryIntro))
	f.Fuzz(func(t *testing.T, data []byte) {
		// Without the passphrase: the work that a header asks for is not the parser's.
		_, _ = Read(data)
	})
}
