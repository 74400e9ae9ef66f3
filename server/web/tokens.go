package web

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Scopes of the HTTP API: what a token may do.
const (
	scopeRead  = "messages:read"  // read messages, the list of rooms, presence
	scopeWrite = "messages:write" // write messages, as anybody
	scopeUsers = "sessions:delete"
)

// minToken is the length of the shortest API token in bytes.
const minToken = 32

// Backends are the tokens of the HTTP API, by their hash, so that finding one does
// not tell by its time how much of it was right.
type Backends map[[sha256.Size]byte]backend

// backend is who has a token.
type backend struct {
	name   string
	scopes []string
}

// ParseBackends reads a file of tokens: on each line a name, the token, and what it
// may do, separated by spaces. Empty lines and those with a # in front are skipped.
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
			return nil, fmt.Errorf("line %d is not: name token scope…", n)
		}
		if len(fields[1]) < minToken {
			return nil, fmt.Errorf("line %d: the token has %d characters, at least %d are needed", n, len(fields[1]), minToken)
		}
		for _, scope := range fields[2:] {
			if !slices.Contains([]string{scopeRead, scopeWrite, scopeUsers}, scope) {
				return nil, fmt.Errorf("line %d: %q is none of %s, %s, %s", n, scope, scopeRead, scopeWrite, scopeUsers)
			}
		}
		tokens[sha256.Sum256([]byte(fields[1]))] = backend{fields[0], fields[2:]}
	}
	return tokens, lines.Err()
}

// of returns who sends a request.
func (b Backends) of(r *http.Request) (backend, bool) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return backend{}, false
	}
	who, ok := b[sha256.Sum256([]byte(token))]
	return who, ok
}
