package auth

import (
	"bytes"
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
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"
)

const (
	// maxToken is the length of the longest token in bytes: more does not fit into a
	// cookie. maxUser and maxGrants bound what is in it.
	maxToken  = 4096
	maxUser   = 128
	maxGrants = 100
	// clockSkew is how far the identity provider's clock may be off.
	clockSkew = 5 * time.Second
	// jwksEvery is how often the provider's keys are fetched; a token with a key that
	// is not known has them fetched too, at most once in jwksAgain.
	jwksEvery   = time.Hour
	jwksAgain   = 30 * time.Second
	jwksTimeout = 5 * time.Second
	// minSecret is the length of the shortest shared secret in bytes, and minRSA of
	// the shortest RSA key in bits.
	minSecret = 32
	minRSA    = 2048
)

// BackendPrefix begins the user ids of the operator's backends, and of nobody else.
const BackendPrefix = "api:"

// Algorithms are those that tokens may be signed with. Which one it is, is for the
// operator to say, never for the token.
var Algorithms = []string{"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// TokenOptions say which tokens are taken.
type TokenOptions struct {
	// Algorithm is one of Algorithms.
	Algorithm string
	// Key is the shared secret of HS algorithms (at least 32 bytes), or else a public
	// key in PEM. Empty with JWKS.
	Key []byte
	// JWKS is where the provider publishes its keys: https, or http on this machine.
	JWKS string
	// Issuer and Audience are what iss and aud have to be; empty means not checked.
	Issuer, Audience string
	// Logger is told when the keys cannot be fetched.
	Logger *slog.Logger
}

// Tokens checks the tokens of the operator's own users. Its methods may be called
// from any goroutine.
type Tokens struct {
	parser *jwt.Parser
	keys   func(context.Context) jwt.Keyfunc
}

// NewTokens returns a checker. With JWKS it fetches the keys, and again now and
// then until ctx ends.
func NewTokens(ctx context.Context, o TokenOptions) (*Tokens, error) {
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
	t := &Tokens{parser: jwt.NewParser(options...)}
	if o.JWKS != "" {
		return t, t.fetch(ctx, o)
	}
	key, err := parseKey(o.Algorithm, o.Key)
	if err != nil {
		return nil, err
	}
	t.keys = func(context.Context) jwt.Keyfunc { return func(*jwt.Token) (any, error) { return key, nil } }
	return t, nil
}

func (t *Tokens) fetch(ctx context.Context, o TokenOptions) error {
	if strings.HasPrefix(o.Algorithm, "HS") {
		return fmt.Errorf("%s is signed with a shared secret, which is never published: it goes with a key file", o.Algorithm)
	}
	u, err := url.Parse(o.JWKS)
	if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return fmt.Errorf("the JWKS address %q is not https", o.JWKS)
	}
	failing := false // a provider that is away now is asked again
	k, err := keyfunc.NewDefaultOverrideCtx(ctx, []string{o.JWKS}, keyfunc.Override{
		Client:                    &http.Client{Timeout: jwksTimeout},
		HTTPTimeout:               jwksTimeout,
		NoErrorReturnFirstHTTPReq: &failing,
		RefreshInterval:           jwksEvery,
		RefreshUnknownKID:         rate.NewLimiter(rate.Every(jwksAgain), 1),
		RateLimitWaitMax:          jwksTimeout, // of the fetch too, whatever its name says
		RefreshErrorHandlerFunc: func(address string) func(context.Context, error) {
			return func(_ context.Context, err error) {
				o.Logger.Error("the identity provider's keys cannot be fetched: those known go on", "jwks", address, "err", err)
			}
		},
	})
	if err != nil {
		return fmt.Errorf("fetching the keys at %s: %w", o.JWKS, err)
	}
	t.keys = k.KeyfuncCtx
	return nil
}

func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// parseKey reads the key that tokens of an algorithm are checked with.
func parseKey(algorithm string, text []byte) (any, error) {
	var key any
	var err error
	switch {
	case strings.HasPrefix(algorithm, "HS"):
		secret := bytes.TrimSpace(text)
		if bytes.Contains(secret, []byte("-----BEGIN")) { // the classic confusion of a public key with a secret
			return nil, fmt.Errorf("the key is a PEM file; %s needs a shared secret", algorithm)
		}
		if len(secret) < minSecret {
			return nil, fmt.Errorf("the secret has %d bytes; %s needs at least %d", len(secret), algorithm, minSecret)
		}
		return secret, nil
	case strings.HasPrefix(algorithm, "RS"), strings.HasPrefix(algorithm, "PS"):
		var public *rsa.PublicKey
		if public, err = jwt.ParseRSAPublicKeyFromPEM(text); err == nil && public.N.BitLen() < minRSA {
			err = fmt.Errorf("it has %d bits, at least %d are needed", public.N.BitLen(), minRSA)
		}
		key = public
	case strings.HasPrefix(algorithm, "ES"):
		key, err = jwt.ParseECPublicKeyFromPEM(text)
	case algorithm == "EdDSA":
		key, err = jwt.ParseEdPublicKeyFromPEM(text)
	default:
		return nil, fmt.Errorf("%q is none of %s", algorithm, strings.Join(Algorithms, ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("the key is no public key for %s: %w", algorithm, err)
	}
	return key, nil
}

// claims are what a token says. Rooms maps patterns of room names to rights; a
// token without it may do everything everywhere.
type claims struct {
	jwt.RegisteredClaims
	Name  string             `json:"name"`
	Rooms map[string][]Right `json:"rooms"`
}

// Verify returns the session that a token stands for, or an error that wraps
// ErrBadSession or ErrExpired and says why, which is for the server's log only.
func (t *Tokens) Verify(ctx context.Context, token string) (Session, error) {
	if len(token) > maxToken {
		return Session{}, fmt.Errorf("%w: it is longer than %d bytes", ErrBadSession, maxToken)
	}
	ctx, cancel := context.WithTimeout(ctx, jwksTimeout)
	defer cancel()
	var c claims
	_, err := t.parser.ParseWithClaims(token, &c, t.keys(ctx))
	switch {
	case errors.Is(err, jwt.ErrTokenExpired) && !errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return Session{}, fmt.Errorf("%w: %w", ErrExpired, err)
	case err != nil:
		return Session{}, fmt.Errorf("%w: %w", ErrBadSession, err)
	}
	s := Session{User: c.Subject, Name: c.Name, Expires: c.ExpiresAt.Time}
	if c.IssuedAt != nil {
		s.Issued = c.IssuedAt.Time
	}
	if s.User == "" || len(s.User) > maxUser {
		return Session{}, fmt.Errorf("%w: sub has %d bytes, it has to have 1 to %d", ErrBadSession, len(s.User), maxUser)
	}
	if strings.HasPrefix(s.User, BackendPrefix) {
		return Session{}, fmt.Errorf("%w: sub begins with %q", ErrBadSession, BackendPrefix)
	}
	if s.Name != "" {
		if s.Name, err = CleanName(s.Name); err != nil {
			return Session{}, fmt.Errorf("%w: name: %w", ErrBadSession, err)
		}
	}
	if c.Rooms == nil {
		return s, nil
	}
	if len(c.Rooms) > maxGrants {
		return Session{}, fmt.Errorf("%w: rooms has more than %d patterns", ErrBadSession, maxGrants)
	}
	s.rooms = []grant{} // not nil: what is not granted is refused
	for pattern, rights := range c.Rooms {
		if _, err := path.Match(pattern, "x"); err != nil {
			return Session{}, fmt.Errorf("%w: rooms: %q is no pattern", ErrBadSession, pattern)
		}
		for _, r := range rights {
			if r != Read && r != Write {
				return Session{}, fmt.Errorf("%w: rooms: %q is no right", ErrBadSession, r)
			}
		}
		s.rooms = append(s.rooms, grant{pattern, rights})
	}
	return s, nil
}
