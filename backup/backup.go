// Package backup encrypts a text with a passphrase, and reads what it encrypted:
// the copy of an authority that is kept apart from the directory.
//
// [Encrypt] makes such a file. [Read] looks at one without its passphrase, and
// [File.Decrypt] opens it. The format is that of age (age-encryption.org/v1, the
// C2SP specification "age"), armored, with an scrypt recipient: `age -d` opens
// the file where there is no flowcert.
//
// Read refuses what is no such file, what is cut off, what is encrypted to keys
// instead of a passphrase, and a key derivation that would take more than a
// gibibyte of memory. Decrypt refuses a wrong passphrase and a file in which a
// single bit was changed. The package does no I/O. No error holds a byte of the
// text or of the passphrase.
package backup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// The ways in which a file is not what it should be.
var (
	ErrNoBackup   = errors.New("is not a file that age encrypted")
	ErrCutOff     = errors.New("is cut off")
	ErrChanged    = errors.New("was changed or damaged")
	ErrKeys       = errors.New("is encrypted to a key, not with a passphrase")
	ErrWork       = errors.New("asks for more work than a passphrase needs")
	ErrPassphrase = errors.New("the passphrase is another one")
)

// MaxSize bounds a file, in bytes; it also bounds its text, since age does not
// compress.
const MaxSize = 16 << 20

// Work factors of scrypt, as powers of two; each takes 1 KiB of memory a unit.
const (
	workFactor = 18 // what `age -p` takes: 256 MiB, about a second
	maxWork    = 20 // 1 GiB; rage measures its machine and may take more than age
)

// binaryIntro begins a file without armor.
const binaryIntro = "age-encryption.org/v1\n"

// Encrypt returns the text, encrypted with the passphrase, as lines of ASCII.
func Encrypt(text []byte, passphrase string) ([]byte, error) {
	return encrypt(text, passphrase, workFactor)
}

func encrypt(text []byte, passphrase string, work int) ([]byte, error) {
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, err
	}
	recipient.SetWorkFactor(work)
	var out bytes.Buffer
	lines := armor.NewWriter(&out)
	w, err := age.Encrypt(lines, recipient)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := errors.Join(w.Close(), lines.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// File is an encrypted file that looks whole from outside.
type File struct{ data []byte }

// Read looks at a file as far as that goes without the passphrase. A file
// without armor does as well.
func Read(data []byte) (*File, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("has %d bytes, more than the %d that are read", len(data), MaxSize)
	}
	text := bytes.TrimSpace(data)
	switch {
	case bytes.HasPrefix(text, []byte(armor.Header)):
		if !bytes.Contains(text, []byte(armor.Footer)) {
			return nil, ErrCutOff
		}
	case !bytes.HasPrefix(data, []byte(binaryIntro)):
		return nil, ErrNoBackup
	}
	f := &File{data: data}
	if _, err := f.open(header{}); !errors.Is(err, errWhole) {
		return nil, f.describe(err)
	}
	return f, nil
}

// Decrypt returns the text.
func (f *File) Decrypt(passphrase string) ([]byte, error) {
	identity, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, ErrPassphrase // the empty one
	}
	identity.SetMaxWorkFactor(maxWork)
	text, err := f.open(identity)
	if err != nil {
		return nil, f.describe(err)
	}
	return text, nil
}

func (f *File) open(identity age.Identity) ([]byte, error) {
	var in io.Reader = bytes.NewReader(f.data)
	if f.armored() {
		in = armor.NewReader(in)
	}
	r, err := age.Decrypt(in, identity)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func (f *File) armored() bool { return !bytes.HasPrefix(f.data, []byte(binaryIntro)) }

// describe puts age's errors into the words of this package.
func (f *File) describe(err error) error {
	for _, known := range []error{ErrKeys, ErrWork} {
		if errors.Is(err, known) {
			return known
		}
	}
	switch {
	case errors.Is(err, age.ErrIncorrectIdentity):
		return ErrPassphrase
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return ErrCutOff
	}
	return ErrChanged
}

// header is an identity that looks at a file's header and opens nothing.
type header struct{}

// errWhole is header's word for a header with which all is well.
var errWhole = errors.New("the header is whole")

func (header) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	i := slices.IndexFunc(stanzas, func(s *age.Stanza) bool { return s.Type == "scrypt" })
	if i < 0 {
		return nil, ErrKeys
	}
	if args := stanzas[i].Args; len(args) == 2 {
		// What is no number at all is refused by age.
		if work, err := strconv.Atoi(args[1]); errors.Is(err, strconv.ErrRange) || work > maxWork {
			return nil, ErrWork
		}
	}
	return nil, errWhole
}
