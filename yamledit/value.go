package yamledit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// normal is a deep copy of v in plain values: every integer an int64 where it
// fits, every float a float64.
func normal(v any) (any, error) {
	switch v := v.(type) {
	case nil, bool, int64, float64:
		return v, nil
	case string:
		if !utf8.ValidString(v) {
			return nil, errors.New("a string is not UTF-8")
		}
		return v, nil
	case map[string]any:
		return normalMap(v)
	case []any:
		return normalList(v)
	case map[string]string:
		return normalMap(widenMap(v))
	case []string:
		return normalList(widenList(v))
	}
	return normalNumber(v)
}

func normalNumber(v any) (any, error) {
	switch v := v.(type) {
	case int:
		return int64(v), nil
	case int32:
		return int64(v), nil
	case uint64:
		if v > math.MaxInt64 {
			return float64(v), nil // as Kubernetes' JSON decoder does
		}
		return int64(v), nil
	case uint:
		return normalNumber(uint64(v))
	case float32:
		return float64(v), nil
	}
	return nil, fmt.Errorf("a value of type %T cannot be written", v)
}

func normalMap(m map[string]any) (any, error) {
	out := make(map[string]any, len(m))
	for k, e := range m {
		if !utf8.ValidString(k) {
			return nil, errors.New("a key is not UTF-8")
		}
		n, err := normal(e)
		if err != nil {
			return nil, err
		}
		out[k] = n
	}
	return out, nil
}

func normalList(l []any) (any, error) {
	out := make([]any, len(l))
	for i, e := range l {
		n, err := normal(e)
		if err != nil {
			return nil, err
		}
		out[i] = n
	}
	return out, nil
}

func widenMap(m map[string]string) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

func widenList(l []string) []any {
	out := make([]any, len(l))
	for i, v := range l {
		out[i] = v
	}
	return out
}

// writable is normal, and refuses numbers that JSON cannot hold.
func writable(v any) (any, error) {
	n, err := normal(v)
	if err != nil {
		return nil, err
	}
	return n, finite(n)
}

func finite(v any) error {
	switch v := v.(type) {
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return errors.New("a number is not finite")
		}
	case map[string]any:
		for _, e := range v {
			if err := finite(e); err != nil {
				return err
			}
		}
	case []any:
		for _, e := range v {
			if err := finite(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// scalarText is a scalar as JSON writes it, strings without quotes.
func scalarText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		return floatText(v), true
	case nil:
		return "null", true
	}
	return "", false
}

// floatText writes a number so that one value has one text, be it a float or
// an integer.
func floatText(f float64) string {
	switch {
	case math.IsNaN(f):
		return ".nan"
	case math.IsInf(f, 1):
		return ".inf"
	case math.IsInf(f, -1):
		return "-.inf"
	case f == math.Trunc(f) && math.Abs(f) < 1<<53:
		return strconv.FormatInt(int64(f), 10)
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// canonical appends the one JSON text of a plain value: keys sorted, no space.
func canonical(b []byte, v any) []byte {
	switch v := v.(type) {
	case map[string]any:
		b = append(b, '{')
		for i, k := range sortedKeys(v) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(canonical(b, k), ':')
			b = canonical(b, v[k])
		}
		return append(b, '}')
	case []any:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = canonical(b, e)
		}
		return append(b, ']')
	case string:
		q, _ := json.Marshal(v) // of a string: cannot fail
		return append(b, q...)
	}
	s, _ := scalarText(v)
	return append(b, s...)
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// equal says whether two plain values have the same canonical text. Every edit
// asks several times, of the whole document, so that no text is made.
func equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, equal)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equal)
	case string:
		b, ok := b.(string)
		return ok && a == b
	case bool, int64, nil:
		if a == b {
			return true
		}
	}
	if _, ok := b.(string); ok {
		return false // 1 is not "1"
	}
	x, scalar := scalarText(a)
	y, ok := scalarText(b)
	return scalar && ok && x == y
}

// digest is short: it tells an edit by somebody else, it is no protection
// against one who forges it.
func digest(v any) string {
	sum := sha256.Sum256(canonical(nil, v))
	return hex.EncodeToString(sum[:])[:12]
}

// emptyValue says whether v is null, {} or [].
func emptyValue(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}

func kindName(v any) string {
	switch v.(type) {
	case map[string]any:
		return "a map"
	case []any:
		return "a list"
	case nil:
		return "null"
	}
	return "a scalar"
}
