package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"

	"github.com/alecthomas/kong"

	"websockets/server/auth"
	"websockets/server/eventlog"
)

// authHelp holds the long help texts of authFlags, by the names in its tags.
var authHelp = kong.Vars{
	"auth":          "Who may connect: everyone as a 'guest', or users with a 'jwt' from your identity provider.",
	"jwt_algorithm": "With --auth=jwt: the required signature algorithm, such as HS256, RS256, ES256 or EdDSA.",
	"jwt_key":       "With --auth=jwt: file with the shared secret (HS…) or the public key (PEM) to verify tokens with. SIGHUP reloads it.",
	"jwt_cookie":    "With --auth=jwt: name of the cookie that may carry the token. Default session.",
	"jwt_jwks":      "With --auth=jwt, instead of --jwt-key: URL where the provider publishes its keys. New keys are fetched.",
}

// authFlags configure who may connect.
type authFlags struct {
	Auth         string `enum:"guest,jwt" default:"guest" placeholder:"guest|jwt" help:"${auth} Default ${default}."`
	JWTAlgorithm string `name:"jwt-algorithm" placeholder:"ALG" help:"${jwt_algorithm}"`
	JWTKey       string `name:"jwt-key" placeholder:"FILE" help:"${jwt_key}"`
	JWKS         string `name:"jwt-jwks" placeholder:"URL" help:"${jwt_jwks}"`
	JWTCookie    string `name:"jwt-cookie" placeholder:"NAME" help:"${jwt_cookie}"`
	JWTIssuer    string `name:"jwt-issuer" placeholder:"ISS" help:"With --auth=jwt: required iss claim."`
	JWTAudience  string `name:"jwt-audience" placeholder:"AUD" help:"With --auth=jwt: required aud claim."`
	ForgetGuests bool   `help:"Invalidate all guest sessions: everyone becomes a new guest. Use once, after a key has leaked."`
}

// check returns an error if flags contradict each other.
func (f *authFlags) check() error {
	switch {
	case f.Auth == "guest" && (f.JWTAlgorithm != "" || f.JWTKey != "" || f.JWKS != "" || f.JWTCookie != "" || f.JWTIssuer != "" || f.JWTAudience != ""):
		return errors.New("the --jwt flags require --auth=jwt")
	case f.Auth == "guest":
		return nil
	case f.ForgetGuests:
		return errors.New("--forget-guests does not go with --auth=jwt, which has no guests")
	case f.JWTAlgorithm == "":
		return errors.New("--auth=jwt requires --jwt-algorithm, such as RS256: the algorithm is never taken from the token")
	case (f.JWTKey == "") == (f.JWKS == ""):
		return errors.New("--auth=jwt requires either --jwt-key or --jwt-jwks")
	case f.JWTCookie != "" && (&http.Cookie{Name: f.JWTCookie}).Valid() != nil:
		return fmt.Errorf("--jwt-cookie: %q is not a name of a cookie", f.JWTCookie)
	}
	return nil
}

// authenticator returns the Authenticator that the flags ask for. With --jwt-jwks it
// fetches keys until ctx ends.
func (f *authFlags) authenticator(ctx context.Context, log eventlog.Log, logger *slog.Logger) (auth.Authenticator, error) {
	revocations := auth.NewRevocations(log.Values(eventlog.Users))
	if f.Auth == "guest" {
		guests, err := openGuestSessions(ctx, log, f.ForgetGuests)
		return auth.Authenticator{Guests: guests, Revocations: revocations}, err
	}
	options := auth.TokenOptions{
		Algorithm: f.JWTAlgorithm, JWKS: f.JWKS, Cookie: f.JWTCookie, Issuer: f.JWTIssuer, Audience: f.JWTAudience, Logger: logger,
	}
	if f.JWTKey != "" {
		var err error
		if options.Key, err = f.readKey(); err != nil {
			return auth.Authenticator{}, err
		}
	}
	var verifier *auth.TokenVerifier
	err := await(ctx, logger, "the identity provider", func(context.Context) (err error) {
		verifier, err = auth.NewTokenVerifier(ctx, options) // which fetches keys as long as the server runs
		return err
	})
	if err != nil {
		return auth.Authenticator{}, fmt.Errorf("--auth=jwt: %w", err)
	}
	return auth.Authenticator{Tokens: verifier, Revocations: revocations}, nil
}

func (f *authFlags) readKey() ([]byte, error) {
	text, err := os.ReadFile(f.JWTKey)
	if err != nil {
		return nil, fmt.Errorf("--jwt-key: %w", err)
	}
	return text, nil
}

// reloadKey makes tokens verify with the key that is in the file now.
func (f *authFlags) reloadKey(tokens *auth.TokenVerifier) error {
	text, err := f.readKey()
	if err != nil {
		return err
	}
	return tokens.SetKey(text)
}
