package auth

import (
	"bytes"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"

	"github.com/MicahParks/jwkset"
)

const (
	// maxJWKSBytes bounds the document with a provider's keys.
	maxJWKSBytes = 1 << 20
	// leastRSABits is the least with which crypto/rsa verifies.
	leastRSABits = 1024
)

// usableKeys is the transport that fetches a JWKS. It leaves out the keys that cannot be
// used: keyfunc refuses the whole document because of one of them. It may be used by
// several goroutines.
type usableKeys struct {
	logger *slog.Logger

	mu       sync.Mutex
	unusable map[string]bool // the keys that were left out last time, as JSON
}

// RoundTrip implements http.RoundTripper. A document without a usable key is an error,
// so that the keys fetched before are kept.
func (u *usableKeys) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || response.StatusCode != http.StatusOK {
		return response, err
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxJWKSBytes))
	_ = response.Body.Close()
	if err != nil {
		return nil, err
	}
	text, err = u.filter(text)
	if err != nil {
		return nil, err
	}
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	return response, nil
}

// filter returns a JWKS without its unusable keys. It logs each when it is first seen.
func (u *usableKeys) filter(text []byte) ([]byte, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	err := json.Unmarshal(text, &set)
	if err != nil {
		return nil, fmt.Errorf("the answer is not a JWKS: %w", err)
	}
	if set.Keys == nil {
		return nil, errors.New(`the answer is not a JWKS: it has no "keys"`)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	usable, unusable := []json.RawMessage{}, map[string]bool{}
	for _, key := range set.Keys {
		err := checkJWK(key)
		if err == nil {
			usable = append(usable, key)
			continue
		}
		if !u.unusable[string(key)] && !unusable[string(key)] {
			u.logger.Warn("ignoring a key of the identity provider that cannot be used", "kid", kidOf(key), "err", err)
		}
		unusable[string(key)] = true
	}
	u.unusable = unusable
	if len(usable) == 0 && len(set.Keys) > 0 {
		return nil, errors.New("none of the provider's keys can be used")
	}
	set.Keys = usable
	return json.Marshal(set)
}

// checkJWK returns an error if a key of a JWKS cannot be used.
func checkJWK(text []byte) error {
	key, err := jwkset.NewJWKFromRawJSON(text, jwkset.JWKMarshalOptions{Private: true}, jwkset.JWKValidateOptions{})
	if err != nil {
		return err
	}
	public, ok := key.Key().(*rsa.PublicKey)
	if !ok {
		return nil
	}
	if public.N.BitLen() < leastRSABits || public.N.Bit(0) == 0 {
		return fmt.Errorf("the modulus is broken: it is even, or has less than %d bits", leastRSABits)
	}
	return nil
}

// kidOf returns the kid of a key, empty if it has none.
func kidOf(key []byte) string {
	var named struct {
		KID string `json:"kid"`
	}
	_ = json.Unmarshal(key, &named) // the key is broken, and its kid may be too
	return named.KID
}
