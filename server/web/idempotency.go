package web

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"

	"websockets/shared"
)

// maxKey is the most bytes of an idempotency key.
const maxKey = 255

// messageID returns the id of the message that a request posts. It is empty if the
// request has no Idempotency-Key. A key that is a valid event id is the id itself; any
// other is hashed, because clients know ids by their form.
func messageID(header http.Header) (string, error) {
	values := header.Values("Idempotency-Key")
	switch len(values) {
	case 0:
		return "", nil
	case 1:
	default:
		return "", badKey("a request has one Idempotency-Key")
	}
	key, err := parseKey(values[0])
	if err != nil || shared.ValidateID(key) == nil {
		return key, err
	}
	sum := sha256.Sum256([]byte(key))
	return "key-" + base64.RawURLEncoding.EncodeToString(sum[:]), nil
}

// parseKey returns the key in a header's value: a string of RFC 8941 in double quotes,
// or the bare text that many clients send. "x" and x are the same key. Parameters after
// the quotes are ignored.
func parseKey(value string) (string, error) {
	key, quoted := strings.CutPrefix(value, `"`)
	if quoted {
		var err error
		key, err = unquote(key)
		if err != nil {
			return "", err
		}
	}
	switch {
	case key == "":
		return "", badKey("an Idempotency-Key must not be empty")
	case len(key) > maxKey:
		return "", badKey("the Idempotency-Key has %d bytes, the maximum is %d", len(key), maxKey)
	case strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }):
		return "", badKey("an Idempotency-Key has printable ASCII characters only")
	}
	return key, nil
}

// unquote returns the string that ends at the first quote of text without a backslash
// before it.
func unquote(text string) (string, error) {
	var key strings.Builder
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			rest := strings.TrimLeft(text[i+1:], " ")
			if rest != "" && rest[0] != ';' {
				return "", badKey("an Idempotency-Key must end with its closing quote")
			}
			return key.String(), nil
		case '\\':
			i++
			if i == len(text) || text[i] != '"' && text[i] != '\\' {
				return "", badKey(`in a quoted Idempotency-Key, \ must be followed by " or \`)
			}
		}
		key.WriteByte(text[i])
	}
	return "", badKey("a quoted Idempotency-Key lacks its closing quote")
}

func badKey(format string, args ...any) error {
	return shared.Errorf(shared.CodeBadID, format, args...)
}
