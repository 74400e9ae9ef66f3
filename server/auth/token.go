package auth

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"
)

const (
	// maxTokenBytes bounds a token: more does not fit into a cookie.
	maxTokenBytes = 4096
	// maxUserBytes and maxGrants bound the claims sub and rooms.
	maxUserBytes = 128
	maxGrants    = 100
	// clockSkew is how far the identity provider's clock may be off.
	clockSkew = 5 * time.Second
	// jwksInterval is how often the provider's keys are fetched. A token that names an
	// unknown key has them fetched too, at most once per jwksMinInterval.
	jwksInterval    = time.Hour
	jwksMinInterval = 30 * time.Second
	jwksTimeout     = 5 * time.Second
	minSecretBytes  = 32
	minRSABits      = 2048
)

// BackendPrefix begins the user ids of callers of the HTTP API. No token may use it.
const BackendPrefix = "api:"

// Algorithms are the signature algorithms to choose from. The operator chooses one;
// the algorithm is never taken from the token.
var Algorithms = []string{"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// TokenOptions configure a TokenVerifier.
type TokenOptions struct {
	// Algorithm is one of Algorithms.
	Algorithm string
	// Key is the shared secret for HS algorithms, at least 32 bytes, and a public key in
	// PEM for others. It is empty with JWKS.
	Key []byte
	// JWKS is the URL of the provider's keys: https, or http on this machine.
	JWKS string
	// Cookie is the cookie that may carry a token; empty means "session".
	Cookie string
	// Issuer and Audience are the required claims iss and aud; empty means any.
	Issuer, Audience string
	// Logger must not be nil with JWKS.
	Logger *slog.Logger
}

// TokenVerifier verifies the tokens of an identity provider. Its methods may be called
// from any goroutine.
type TokenVerifier struct {
	algorithm string
	cookie    string // the name of the cookie that may carry a token
	parser    *jwt.Parser
	keys      func(context.Context) jwt.Keyfunc
	key       atomic.Value // without JWKS: the key
}

// ErrProviderAway means that the identity provider's keys could not be fetched.
var ErrProviderAway = errors.New("the identity provider cannot be reached")

// NewTokenVerifier returns a TokenVerifier. With JWKS it fetches the keys, and keeps
// fetching them until ctx ends. The error wraps ErrProviderAway if that fails the first
// time.
func NewTokenVerifier(ctx context.Context, o TokenOptions) (*TokenVerifier, error) {
	options := []jwt.ParserOption{
		jwt.WithValidMethods([]string{o.Algorithm}), jwt.WithExpirationRequired(),
		jwt.WithLeeway(clockSkew), jwt.WithStrictDecoding(),
	}
	if o.Issuer != "" {
		options = append(options, jwt.WithIssuer(o.Issuer))
	}
	if o.Audience != "" {
		options = append(options, jwt.WithAudience(o.Audience))
	}
	v := &TokenVerifier{algorithm: o.Algorithm, cookie: cmp.Or(o.Cookie, defaultCookie), parser: jwt.NewParser(options...)}
	if o.JWKS != "" {
		return v, v.fetchKeys(ctx, o)
	}
	err := v.SetKey(o.Key)
	if err != nil {
		return nil, err
	}
	v.keys = func(context.Context) jwt.Keyfunc { return func(*jwt.Token) (any, error) { return v.key.Load(), nil } }
	return v, nil
}

// SetKey replaces the key, see TokenOptions.Key. On an error the current key stays. With
// JWKS it has no effect.
func (v *TokenVerifier) SetKey(text []byte) error {
	key, err := parseKey(v.algorithm, text)
	if err != nil {
		return err
	}
	v.key.Store(key)
	return nil
}

// fetchKeys sets keys to those of a JWKS.
func (v *TokenVerifier) fetchKeys(ctx context.Context, o TokenOptions) error {
	if strings.HasPrefix(o.Algorithm, "HS") {
		return fmt.Errorf("%s needs a key file: shared secrets are not published as JWKS", o.Algorithm)
	}
	u, err := url.Parse(o.JWKS)
	if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return fmt.Errorf("JWKS URL %q is not https", o.JWKS)
	}
	ctx, stop := context.WithCancel(ctx)
	defer func() {
		if v.keys == nil {
			stop() // or keyfunc would fetch them every hour all the same
		}
	}()
	failOnFirst := false
	k, err := keyfunc.NewDefaultOverrideCtx(ctx, []string{o.JWKS}, keyfunc.Override{
		Client:                    &http.Client{Timeout: jwksTimeout, Transport: &usableKeys{logger: o.Logger}},
		HTTPTimeout:               jwksTimeout,
		NoErrorReturnFirstHTTPReq: &failOnFirst,
		RefreshInterval:           jwksInterval,
		RefreshUnknownKID:         rate.NewLimiter(rate.Every(jwksMinInterval), 1),
		RateLimitWaitMax:          jwksTimeout, // bounds the fetch too, despite its name
		RefreshErrorHandlerFunc: func(address string) func(context.Context, error) {
			return func(_ context.Context, err error) {
				o.Logger.Error("fetching the identity provider's keys failed, keeping the current ones", "jwks", address, "err", err)
			}
		},
	})
	if err != nil {
		return fmt.Errorf("%w: fetch JWKS %s: %w", ErrProviderAway, o.JWKS, err)
	}
	v.keys = k.KeyfuncCtx
	return nil
}

func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// parseKey parses the key to verify tokens of an algorithm with.
func parseKey(algorithm string, text []byte) (any, error) {
	var key any
	var err error
	switch {
	case strings.HasPrefix(algorithm, "HS"):
		secret := bytes.TrimSpace(text)
		if bytes.Contains(secret, []byte("-----BEGIN")) { // a public key is no secret: anybody could sign with it
			return nil, fmt.Errorf("the key is a PEM file; %s needs a shared secret", algorithm)
		}
		if len(secret) < minSecretBytes {
			return nil, fmt.Errorf("the secret has %d bytes; %s needs at least %d", len(secret), algorithm, minSecretBytes)
		}
		return secret, nil
	case strings.HasPrefix(algorithm, "RS"), strings.HasPrefix(algorithm, "PS"):
		var public *rsa.PublicKey
		public, err = jwt.ParseRSAPublicKeyFromPEM(text)
		if err == nil && public.N.BitLen() < minRSABits {
			err = fmt.Errorf("it has %d bits, minimum is %d", public.N.BitLen(), minRSABits)
		}
		key = public
	case strings.HasPrefix(algorithm, "ES"):
		key, err = jwt.ParseECPublicKeyFromPEM(text)
	case algorithm == "EdDSA":
		key, err = jwt.ParseEdPublicKeyFromPEM(text)
	default:
		return nil, fmt.Errorf("unknown algorithm %q, want one of %s", algorithm, strings.Join(Algorithms, ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("invalid public key for %s: %w", algorithm, err)
	}
	return key, nil
}

// claims are the claims of a token. Rooms maps patterns of room names to rights; a
// token without rooms has all rights everywhere. Name may be of any type: a name never
// decides who may come in.
type claims struct {
	jwt.RegisteredClaims
	Name  any                `json:"name"`
	Rooms map[string][]Right `json:"rooms"`
}

// isToken reports whether text is a JSON Web Token, whoever signed it.
func isToken(text string) bool {
	_, _, err := jwt.NewParser().ParseUnverified(text, &jwt.RegisteredClaims{})
	return err == nil
}

// Verify returns the session of a token. The error wraps ErrBadSession or ErrExpired.
// It waits for the provider's keys if they have to be fetched.
func (v *TokenVerifier) Verify(ctx context.Context, token string) (Session, error) {
	if len(token) > maxTokenBytes {
		return Session{}, fmt.Errorf("%w: longer than %d bytes", ErrBadSession, maxTokenBytes)
	}
	ctx, cancel := context.WithTimeout(ctx, jwksTimeout)
	defer cancel()
	var c claims
	_, err := v.parser.ParseWithClaims(token, &c, v.keys(ctx))
	switch {
	case errors.Is(err, jwt.ErrTokenExpired) && !errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return Session{}, fmt.Errorf("%w: %w", ErrExpired, err)
	case err != nil:
		return Session{}, fmt.Errorf("%w: %w", ErrBadSession, err)
	}
	return c.session()
}

// session returns the session that verified claims describe.
func (c claims) session() (s Session, err error) {
	s = Session{User: c.Subject, Name: tokenName(c.Name), Expires: c.ExpiresAt.Time}
	if c.IssuedAt != nil {
		s.Issued = c.IssuedAt.Time
	}
	if s.User == "" || len(s.User) > maxUserBytes {
		return Session{}, fmt.Errorf("%w: sub has %d bytes, want 1 to %d", ErrBadSession, len(s.User), maxUserBytes)
	}
	if strings.HasPrefix(s.User, BackendPrefix) {
		return Session{}, fmt.Errorf("%w: sub begins with %q", ErrBadSession, BackendPrefix)
	}
	s.grants, err = c.grants()
	if err != nil {
		return Session{}, err
	}
	return s, nil
}

// grants returns the permissions of the claim rooms: nil without the claim, and empty
// but not nil if it grants nothing.
func (c claims) grants() ([]grant, error) {
	if c.Rooms == nil {
		return nil, nil
	}
	if len(c.Rooms) > maxGrants {
		return nil, fmt.Errorf("%w: rooms has more than %d patterns", ErrBadSession, maxGrants)
	}
	grants := make([]grant, 0, len(c.Rooms))
	for pattern, rights := range c.Rooms {
		if _, err := path.Match(pattern, "x"); err != nil {
			return nil, fmt.Errorf("%w: rooms: invalid pattern %q", ErrBadSession, pattern)
		}
		for _, right := range rights {
			if right != Read && right != Write {
				return nil, fmt.Errorf("%w: rooms: unknown right %q", ErrBadSession, right)
			}
		}
		grants = append(grants, grant{pattern, rights})
	}
	return grants, nil
}
