package web

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

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

// Backends are the owners of API tokens. The zero value has none. Its methods may be
// called from any goroutine.
type Backends struct {
	// owners has the SHA-256 hashes of tokens as keys, so that the time of a lookup does
	// not reveal how much of a token was right.
	owners atomic.Pointer[map[[sha256.Size]byte]backend]
}

// backend is the owner of an API token.
type backend struct {
	name   string
	scopes []string
}

// Replace replaces all tokens by those of a file. Each line has a name, the token and its
// scopes, separated by spaces. Empty lines and lines that begin with # are skipped. On an
// error the tokens stay as they are.
//
//	shop  0f3b…  messages:write messages:read
func (b *Backends) Replace(text []byte) error {
	owners, err := parseTokens(text)
	if err != nil {
		return err
	}
	b.owners.Store(&owners)
	return nil
}

func parseTokens(text []byte) (map[[sha256.Size]byte]backend, error) {
	owners := map[[sha256.Size]byte]backend{}
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
		owners[sha256.Sum256([]byte(fields[1]))] = backend{fields[0], fields[2:]}
	}
	return owners, lines.Err()
}

// authenticate returns the owner of the request's token. It reports false if the
// token is missing or unknown.
func (b *Backends) authenticate(r *http.Request) (backend, bool) {
	token, ok := auth.Bearer(r)
	owners := b.owners.Load()
	if !ok || owners == nil {
		return backend{}, false
	}
	who, ok := (*owners)[sha256.Sum256([]byte(token))]
	return who, ok
}
