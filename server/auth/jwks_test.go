package auth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// logBuffer keeps a log that several goroutines write.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// modulusOf returns the parameter n of a JWK.
func modulusOf(key *rsa.PrivateKey) string {
	return base64.RawURLEncoding.EncodeToString(key.N.Bytes())
}

// certificateOf returns the parameter x5c of a JWK.
func certificateOf(t *testing.T, key *rsa.PrivateKey) string {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

// A key that cannot be used is logged once, and the provider's other keys are used.
func TestUnusableKeyCostsThatKeyOnly(t *testing.T) {
	good := rsaKey(t, 2048)
	n := modulusOf(good)
	even := big.NewInt(0).Lsh(big.NewInt(1), 2047)
	offCurve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x := base64.RawURLEncoding.EncodeToString(offCurve.X.Bytes())
	for name, bad := range map[string]string{
		"an odd thumbprint":       `{"kty":"RSA","kid":"bad","e":"AQAB","n":"` + n + `","x5c":["` + certificateOf(t, good) + `"],"x5t":"AAAA"}`,
		"another thumbprint":      `{"kty":"RSA","kid":"bad","e":"AQAB","n":"` + n + `","x5c":["` + certificateOf(t, good) + `"],"x5t#S256":"` + n[:43] + `"}`,
		"a certificate of no one": `{"kty":"RSA","kid":"bad","e":"AQAB","n":"` + n + `","x5c":["AAAA"]}`,
		"another's certificate":   `{"kty":"RSA","kid":"bad","e":"AQAB","n":"` + n + `","x5c":["` + certificateOf(t, rsaKey(t, 2048)) + `"]}`,
		"no modulus":              `{"kty":"RSA","kid":"bad","e":"AQAB"}`,
		"a modulus in Base64":     `{"kty":"RSA","kid":"bad","e":"AQAB","n":"++//` + n + `"}`,
		"half a modulus":          `{"kty":"RSA","kid":"bad","e":"AQAB","n":"` + n[:100] + `"}`,
		"an even modulus":         `{"kty":"RSA","kid":"bad","e":"AQAB","n":"` + base64.RawURLEncoding.EncodeToString(even.Bytes()) + `"}`,
		"a modulus that is none":  `{"kty":"RSA","kid":"bad","e":"AQAB","n":17}`,
		"no exponent":             `{"kty":"RSA","kid":"bad","e":"","n":"` + n + `"}`,
		"a point off the curve":   `{"kty":"EC","kid":"bad","crv":"P-256","x":"` + x + `","y":"` + x + `"}`,
		"an unknown curve":        `{"kty":"EC","kid":"bad","crv":"secp256k1","x":"` + x + `","y":"` + x + `"}`,
		"an unknown kind":         `{"kty":"AKP","kid":"bad","alg":"ML-DSA-44","pub":"AAAA"}`,
		"an unknown use":          `{"kty":"RSA","kid":"bad","use":"signing","e":"AQAB","n":"` + n + `"}`,
		"no object":               `"bad"`,
		"null":                    `null`,
	} {
		t.Run(name, func(t *testing.T) {
			set := `{"keys":[` + bad + `,{"kty":"RSA","kid":"good","e":"AQAB","n":"` + n + `"},` + bad + `]}`
			provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, set) }))
			t.Cleanup(provider.Close)
			var log logBuffer
			verifier, err := NewTokenVerifier(t.Context(), TokenOptions{Algorithm: "RS256", JWKS: provider.URL, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			if err != nil {
				t.Fatalf("NewTokenVerifier: got %v, want the good key", err)
			}
			kid := func(name string) func(*jwt.Token, jwt.MapClaims) {
				return func(tok *jwt.Token, _ jwt.MapClaims) { tok.Header["kid"] = name }
			}
			if _, err := verifier.Verify(t.Context(), token(t, jwt.SigningMethodRS256, good, kid("good"))); err != nil {
				t.Errorf("the good key: got %v, want no error", err)
			}
			if _, err := verifier.Verify(t.Context(), token(t, jwt.SigningMethodRS256, good)); err != nil {
				t.Errorf("a token that names no key: got %v, want no error", err)
			}
			if _, err := verifier.Verify(t.Context(), token(t, jwt.SigningMethodRS256, good, kid("bad"))); !errors.Is(err, ErrBadSession) { // fetches again
				t.Errorf("the bad key: got %v, want ErrBadSession", err)
			}
			if n := strings.Count(log.String(), "cannot be used"); n != 1 {
				t.Errorf("log lines about the bad key: got %d, want 1:\n%s", n, &log)
			}
		})
	}
}

// An answer without a usable key does not replace the keys that there are, and is an
// error at the start.
func TestAnswerWithoutUsableKeysIsIgnored(t *testing.T) {
	good := rsaKey(t, 2048)
	var answer atomic.Value
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, answer.Load().(string))
	}))
	t.Cleanup(provider.Close)
	options := TokenOptions{Algorithm: "RS256", JWKS: provider.URL, Logger: slog.New(slog.DiscardHandler)}
	for name, broken := range map[string]string{
		"no usable key": `{"keys":[{"kty":"RSA","kid":"good","e":"AQAB","n":"AQAB"}]}`,
		"no keys":       `{"error":"try again later"}`,
		"no JSON":       "<html>",
		"too long":      `{"keys":[]` + strings.Repeat(" ", maxJWKSBytes) + "}",
	} {
		t.Run(name, func(t *testing.T) {
			answer.Store(broken)
			if _, err := NewTokenVerifier(t.Context(), options); err == nil {
				t.Error("NewTokenVerifier: got no error, want one")
			}
			answer.Store(fmt.Sprintf(`{"keys":[{"kty":"RSA","kid":"good","e":"AQAB","n":"%s"}]}`, modulusOf(good)))
			verifier, err := NewTokenVerifier(t.Context(), options)
			if err != nil {
				t.Fatal(err)
			}
			answer.Store(broken)
			verify := func(kid string) error {
				named := func(tok *jwt.Token, _ jwt.MapClaims) { tok.Header["kid"] = kid }
				_, err := verifier.Verify(t.Context(), token(t, jwt.SigningMethodRS256, good, named))
				return err
			}
			if err := verify("unknown"); !errors.Is(err, ErrBadSession) { // fetches the broken answer
				t.Errorf("an unknown key: got %v, want ErrBadSession", err)
			}
			if err := verify("good"); err != nil {
				t.Errorf("the key fetched before: got %v, want no error", err)
			}
		})
	}
}
