package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

var testSecret = []byte("a secret of at least thirty-two bytes")

// token returns a signed token, as an identity provider would.
func token(t *testing.T, method jwt.SigningMethod, key any, change ...func(*jwt.Token, jwt.MapClaims)) string {
	t.Helper()
	c := jwt.MapClaims{
		"sub": "ann@example.com", "name": "Ann", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
		"iss": "https://id.example", "aud": "chat",
		"rooms": map[string]any{"general": []string{"read", "write"}, "news-*": []string{"read"}},
	}
	made := jwt.NewWithClaims(method, c)
	for _, f := range change {
		f(made, c)
	}
	text, err := made.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func claim(name string, value any) func(*jwt.Token, jwt.MapClaims) {
	return func(_ *jwt.Token, c jwt.MapClaims) {
		if c[name] = value; value == nil {
			delete(c, name)
		}
	}
}

func newVerifier(t *testing.T, algorithm string, key []byte) *TokenVerifier {
	t.Helper()
	verifier, err := NewTokenVerifier(t.Context(), TokenOptions{
		Algorithm: algorithm, Key: key, Issuer: "https://id.example", Audience: "chat",
	})
	if err != nil {
		t.Fatal(err)
	}
	return verifier
}

func publicPEM(t *testing.T, key crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func rsaKey(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestTokenAlgorithms(t *testing.T) {
	rs := rsaKey(t, 2048)
	es, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edPublic, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		method jwt.SigningMethod
		sign   any
		check  []byte
	}{
		{jwt.SigningMethodHS256, testSecret, append(testSecret, '\n')},
		{jwt.SigningMethodRS256, rs, publicPEM(t, rs.Public())},
		{jwt.SigningMethodES256, es, publicPEM(t, es.Public())},
		{jwt.SigningMethodEdDSA, ed, publicPEM(t, edPublic)},
	} {
		s, err := newVerifier(t, test.method.Alg(), test.check).Verify(t.Context(), token(t, test.method, test.sign))
		if err != nil || s.User != "ann@example.com" || s.Name != "Ann" || s.Issued.IsZero() || s.Expires.IsZero() {
			t.Errorf("%s: got %+v, %v, want Ann as ann@example.com with both times", test.method.Alg(), s, err)
		}
	}
}

func TestTokenPermissions(t *testing.T) {
	verify := func(change ...func(*jwt.Token, jwt.MapClaims)) Session {
		s, err := newVerifier(t, "HS256", testSecret).Verify(t.Context(), token(t, jwt.SigningMethodHS256, testSecret, change...))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	some, none, all := verify(), verify(claim("rooms", map[string]any{})), verify(claim("rooms", nil))
	for _, test := range []struct {
		s     Session
		room  string
		rread bool
		write bool
	}{
		{some, "general", true, true}, {some, "general2", false, false}, {some, "news-", true, false},
		{some, "news-today", true, false}, {some, "other", false, false}, {some, "", false, false},
		{none, "general", false, false}, {all, "general", true, true},
	} {
		if got := test.s.May(Read, test.room); got != test.rread {
			t.Errorf("%v may read %q: got %v, want %v", test.s.grants, test.room, got, test.rread)
		}
		if got := test.s.May(Write, test.room); got != test.write {
			t.Errorf("%v may write %q: got %v, want %v", test.s.grants, test.room, got, test.write)
		}
	}
}

// Each attack is refused. The reason goes to the log only.
func TestVerifyRefusesTokens(t *testing.T) {
	rs := rsaKey(t, 2048)
	rsPublic := publicPEM(t, rs.Public())
	hs := jwt.SigningMethodHS256
	unsigned := func() string {
		text, err := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{"sub": "ann", "exp": time.Now().Add(time.Hour).Unix(), "iss": "https://id.example", "aud": "chat"}).
			SignedString(jwt.UnsafeAllowNoneSignatureType)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}()
	good := token(t, hs, testSecret)
	parts := strings.Split(good, ".")
	other := base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"root","exp":9999999999,"iss":"https://id.example","aud":"chat"}`))
	kid := func(tok *jwt.Token, _ jwt.MapClaims) { tok.Header["kid"] = "../../../../dev/null" }
	for name, test := range map[string]struct {
		algorithm string
		key       []byte
		token     string
		want      error
	}{
		"alg none":                        {"HS256", testSecret, unsigned, ErrBadSession},
		"alg none, in capitals":           {"HS256", testSecret, strings.Replace(unsigned, strings.Split(unsigned, ".")[0], base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"nOnE","typ":"JWT"}`)), 1), ErrBadSession},
		"a public key as a shared secret": {"RS256", rsPublic, token(t, hs, rsPublic), ErrBadSession},
		"another algorithm of the family": {"HS256", testSecret, token(t, jwt.SigningMethodHS512, testSecret), ErrBadSession},
		"a kid that is a path, bad key":   {"HS256", testSecret, token(t, hs, make([]byte, 32), kid), ErrBadSession},
		"another secret":                  {"HS256", testSecret, token(t, hs, []byte("another secret that is long enough")), ErrBadSession},
		"other claims, same signature":    {"HS256", testSecret, parts[0] + "." + other + "." + parts[2], ErrBadSession},
		"no signature":                    {"HS256", testSecret, parts[0] + "." + parts[1] + ".", ErrBadSession},
		"expired":                         {"HS256", testSecret, token(t, hs, testSecret, claim("exp", time.Now().Add(-time.Minute).Unix())), ErrExpired},
		"expired and forged":              {"HS256", testSecret, token(t, hs, []byte("another secret that is long enough"), claim("exp", 1)), ErrBadSession},
		"never expires":                   {"HS256", testSecret, token(t, hs, testSecret, claim("exp", nil)), ErrBadSession},
		"not valid yet":                   {"HS256", testSecret, token(t, hs, testSecret, claim("nbf", time.Now().Add(time.Hour).Unix())), ErrBadSession},
		"another audience":                {"HS256", testSecret, token(t, hs, testSecret, claim("aud", "shop")), ErrBadSession},
		"no audience":                     {"HS256", testSecret, token(t, hs, testSecret, claim("aud", nil)), ErrBadSession},
		"another issuer":                  {"HS256", testSecret, token(t, hs, testSecret, claim("iss", "https://evil.example")), ErrBadSession},
		"nobody":                          {"HS256", testSecret, token(t, hs, testSecret, claim("sub", nil)), ErrBadSession},
		"a long somebody":                 {"HS256", testSecret, token(t, hs, testSecret, claim("sub", strings.Repeat("x", maxUserBytes+1))), ErrBadSession},
		"a backend":                       {"HS256", testSecret, token(t, hs, testSecret, claim("sub", "api:shop")), ErrBadSession},
		"a right that is none":            {"HS256", testSecret, token(t, hs, testSecret, claim("rooms", map[string]any{"x": []string{"admin"}})), ErrBadSession},
		"a pattern that is none":          {"HS256", testSecret, token(t, hs, testSecret, claim("rooms", map[string]any{"[": []string{"read"}})), ErrBadSession},
		"too long":                        {"HS256", testSecret, token(t, hs, testSecret, claim("x", strings.Repeat("x", maxTokenBytes))), ErrBadSession},
		"empty":                           {"HS256", testSecret, "", ErrBadSession},
		"dots":                            {"HS256", testSecret, "..", ErrBadSession},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := newVerifier(t, test.algorithm, test.key).Verify(t.Context(), test.token)
			if !errors.Is(err, test.want) || s.User != "" {
				t.Errorf("Verify: got %+v, %v, want %v", s, err, test.want)
			}
		})
	}
}

func TestVerifierRefusesKeys(t *testing.T) {
	small := rsaKey(t, 1024)
	for name, o := range map[string]TokenOptions{
		"no algorithm":           {Key: testSecret},
		"none":                   {Algorithm: "none", Key: testSecret},
		"short secret":           {Algorithm: "HS256", Key: []byte("short")},
		"public key as a secret": {Algorithm: "HS256", Key: publicPEM(t, small.Public())},
		"small RSA key":          {Algorithm: "RS256", Key: publicPEM(t, small.Public())},
		"key of another kind":    {Algorithm: "ES256", Key: publicPEM(t, small.Public())},
		"no key":                 {Algorithm: "EdDSA"},
		"published secrets":      {Algorithm: "HS256", JWKS: "https://id.example/jwks"},
		"JWKS without TLS":       {Algorithm: "RS256", JWKS: "http://id.example/jwks"},
		"JWKS that is a file":    {Algorithm: "RS256", JWKS: "file:///etc/passwd"},
	} {
		if _, err := NewTokenVerifier(t.Context(), o); err == nil {
			t.Errorf("%s: got no error, want one", name)
		}
	}
}

// The provider's keys are fetched at the start, and again for a token with an unknown
// key, but not for every such token.
func TestJWKS(t *testing.T) {
	first, second := rsaKey(t, 2048), rsaKey(t, 2048)
	var published atomic.Pointer[rsa.PrivateKey]
	published.Store(first)
	var fetched atomic.Int32
	names := map[*rsa.PrivateKey]string{first: "first", second: "second"}
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetched.Add(1)
		public := published.Load().PublicKey
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{map[string]string{
			"kty": "RSA", "alg": "RS256", "use": "sig", "kid": names[published.Load()],
			"n": base64.RawURLEncoding.EncodeToString(public.N.Bytes()),
			"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(public.E)).Bytes()),
		}}})
	}))
	t.Cleanup(provider.Close)
	verifier, err := NewTokenVerifier(t.Context(), TokenOptions{Algorithm: "RS256", JWKS: provider.URL, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	verify := func(key *rsa.PrivateKey, kid string) error {
		_, err := verifier.Verify(t.Context(), token(t, jwt.SigningMethodRS256, key, func(tok *jwt.Token, _ jwt.MapClaims) { tok.Header["kid"] = kid }))
		return err
	}
	if err := verify(first, "first"); err != nil {
		t.Errorf("a published key: got %v, want no error", err)
	}
	if err := verify(second, "first"); !errors.Is(err, ErrBadSession) {
		t.Errorf("another key under the name of a published one: got %v, want ErrBadSession", err)
	}
	published.Store(second)
	if err := verify(second, "second"); err != nil {
		t.Errorf("a key published since, fetched %d times: got %v, want no error", fetched.Load(), err)
	}
	before := fetched.Load()
	for i := range 50 {
		if err := verify(first, fmt.Sprint("unknown-", i)); !errors.Is(err, ErrBadSession) {
			t.Fatalf("an unpublished key: got %v, want ErrBadSession", err)
		}
	}
	if n := fetched.Load() - before; n > 1 {
		t.Errorf("fetches for 50 tokens with unknown keys: got %d, want at most 1", n)
	}
}

func FuzzVerify(f *testing.F) {
	verifier, err := NewTokenVerifier(f.Context(), TokenOptions{Algorithm: "HS256", Key: testSecret})
	if err != nil {
		f.Fatal(err)
	}
	keys, _ := Keys(nil).Rotate(time.Now())
	guests := NewGuestSessions(keys)
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add(guests.New().Token[:30])
	f.Add("a.b.c.d")
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := verifier.Verify(t.Context(), text); err == nil {
			t.Errorf("a token that nobody signed: got %+v, want an error", s)
		}
		if s, err := guests.Verify(text); err == nil {
			t.Errorf("a guest's token that nobody signed: got %+v, want an error", s)
		}
	})
}
