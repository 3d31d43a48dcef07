package truststore

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

const (
	letters  = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	alphabet = letters + "0123456789"

	generatedLength = 32
	minPassword     = 6 // keytool: "Keystore password must be at least 6 characters"
	maxPassword     = 128
)

// Password returns a new password of 32 letters and digits, 190 bits from
// crypto/rand. It begins with a letter, so that YAML reads no number in it, and
// needs no quotes in YAML, a shell, a properties file or a JVM option.
func Password() (string, error) {
	password := make([]byte, 0, generatedLength)
	for len(password) < generatedLength {
		from := alphabet
		if len(password) == 0 {
			from = letters
		}
		c, err := draw(from)
		if err != nil {
			return "", fmt.Errorf("generate a password: %w", err)
		}
		password = append(password, c)
	}
	return string(password), nil
}

// draw returns one character of from, each with the same probability.
func draw(from string) (byte, error) {
	i, err := rand.Int(rand.Reader, big.NewInt(int64(len(from))))
	if err != nil {
		return 0, err
	}
	return from[i.Int64()], nil
}

// CheckPassword tells in words why a password does not fit a store that Java
// opens, and never repeats it. It wants 6 (keytool's minimum) to 128 characters:
// ASCII letters, digits and ! % + , - . / : = @ ^ _
//
// A truststore's password stands in JAVA_TOOL_OPTIONS, which the JVM splits at
// white space and quotes, and in env.java.opts, which Flink's start scripts
// expand with the shell's eval (flink-console.sh, "evaluate user options for
// local variable expansion"): there $ ` ; & | and their like would be run.
func CheckPassword(p string) error {
	if p == "" {
		return errors.New("the password is empty")
	}
	if strings.TrimRight(p, "\r\n") != p {
		return errors.New("the password ends with a line break, which Java takes for a part of it: remove it (echo adds one, printf does not)")
	}
	for _, r := range p {
		if err := checkPasswordRune(r); err != nil {
			return err
		}
	}
	if len(p) < minPassword {
		return fmt.Errorf("the password has fewer than %d characters, which keytool refuses", minPassword)
	}
	if len(p) > maxPassword {
		return fmt.Errorf("the password has more than %d characters", maxPassword)
	}
	return nil
}

func checkPasswordRune(r rune) error {
	switch {
	case r == ' ' || r == '\t' || r == '\n' || r == '\r':
		return errors.New("the password has white space, at which the JVM splits its options")
	case r < ' ' || r == 0x7f:
		return errors.New("the password has a control character")
	case r > 0x7f:
		return errors.New("the password has a character that is not ASCII, which JKS and PKCS12 tools encode differently")
	case r == '"' || r == '\'':
		return errors.New("the password has a quotation mark, which JVM options cannot carry")
	case alphanumeric(byte(r)), strings.ContainsRune("!%+,-./:=@^_", r):
		return nil
	}
	return errors.New("the password has a character that the shell gives a meaning, and Flink's start scripts pass JVM options through the shell: use letters, digits and ! % + , - . / : = @ ^ _")
}
