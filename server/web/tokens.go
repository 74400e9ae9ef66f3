package web

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"websockets/server/auth"
)

// Scopes of an API token.
const (
	scopeRead  = "messages:read"   // read messages, the list of rooms and presence
	scopeWrite = "messages:write"  // post messages under any display name
	scopeUsers = "sessions:delete" // end the sessions of a user
)

// minToken is the minimum length of an API token in bytes.
const minToken = 32

// Backends maps the SHA-256 hashes of API tokens to their owners. With hashes as
// keys, the time of a lookup does not reveal how much of a token was right.
type Backends map[[sha256.Size]byte]backend

// backend is the owner of an API token.
type backend struct {
	name   string
	scopes []string
}

// ParseBackends parses a file of API tokens. Each line has a name, the token and its
// scopes, separated by spaces. It skips empty lines and lines that begin with #.
//
//	shop  0f3b…  messages:write messages:read
func ParseBackends(text []byte) (Backends, error) {
	tokens := Backends{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) < 3 {
			return nil, fmt.Errorf("line %d: want NAME TOKEN SCOPE…", n)
		}
		if len(fields[1]) < minToken {
			return nil, fmt.Errorf("line %d: the token has %d characters, the minimum is %d", n, len(fields[1]), minToken)
		}
		for _, scope := range fields[2:] {
			if !slices.Contains([]string{scopeRead, scopeWrite, scopeUsers}, scope) {
				return nil, fmt.Errorf("line %d: unknown scope %q: want %s, %s or %s", n, scope, scopeRead, scopeWrite, scopeUsers)
			}
		}
		tokens[sha256.Sum256([]byte(fields[1]))] = backend{fields[0], fields[2:]}
	}
	return tokens, lines.Err()
}

// authenticate returns the owner of the request's token. It reports false if the
// token is missing or unknown.
func (b Backends) authenticate(r *http.Request) (backend, bool) {
	token, ok := auth.Bearer(r)
	if !ok {
		return backend{}, false
	}
	who, ok := b[sha256.Sum256([]byte(token))]
	return who, ok
}
