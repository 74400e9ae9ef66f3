package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/alecthomas/kong"

	"websockets/server/eventlog"
	"websockets/server/identity"
)

// authHelp holds the longer help texts of authFlags, by the names in its tags.
var authHelp = kong.Vars{
	"auth":          "Who may connect: everyone as a 'guest', or only users with a 'jwt' from your identity provider.",
	"jwt_algorithm": "With --auth=jwt: the algorithm that signs tokens, such as HS256, RS256, ES256 or EdDSA. All others are refused.",
	"jwt_key":       "With --auth=jwt: file with the shared secret (HS…) or the public key (PEM) that verifies tokens.",
	"jwt_jwks":      "With --auth=jwt, instead of --jwt-key: URL of the provider's key set. New keys are fetched automatically.",
	"forget_guests": "Invalidate all guest sessions: every guest becomes a new guest. Use once, after a leak of the signing keys.",
}

// authFlags configures authentication.
type authFlags struct {
	Auth         string `enum:"guest,jwt" default:"guest" placeholder:"guest|jwt" help:"${auth} Default ${default}."`
	JWTAlgorithm string `name:"jwt-algorithm" placeholder:"ALG" help:"${jwt_algorithm}"`
	JWTKey       string `name:"jwt-key" placeholder:"FILE" help:"${jwt_key}"`
	JWKS         string `name:"jwt-jwks" placeholder:"URL" help:"${jwt_jwks}"`
	JWTIssuer    string `name:"jwt-issuer" placeholder:"ISS" help:"With --auth=jwt: required iss claim."`
	JWTAudience  string `name:"jwt-audience" placeholder:"AUD" help:"With --auth=jwt: required aud claim."`
	ForgetGuests bool   `help:"${forget_guests}"`
}

// check returns an error if flags contradict each other.
func (f *authFlags) check() error {
	switch {
	case f.Auth == "guest" && (f.JWTAlgorithm != "" || f.JWTKey != "" || f.JWKS != "" || f.JWTIssuer != "" || f.JWTAudience != ""):
		return errors.New("the --jwt flags require --auth=jwt")
	case f.Auth == "guest":
		return nil
	case f.ForgetGuests:
		return errors.New("--forget-guests requires --auth=guest: with --auth=jwt there are no guests")
	case f.JWTAlgorithm == "":
		return errors.New("--auth=jwt requires --jwt-algorithm, for example --jwt-algorithm=RS256: it is never taken from the token")
	case (f.JWTKey == "") == (f.JWKS == ""):
		return errors.New("--auth=jwt requires either --jwt-key or --jwt-jwks")
	}
	return nil
}

// door returns what authenticates requests. It fetches a JWKS key set until ctx ends.
func (f *authFlags) door(ctx context.Context, log eventlog.Log, logger *slog.Logger) (identity.Door, error) {
	if f.Auth == "guest" {
		guests, err := openGuests(ctx, log, f.ForgetGuests)
		return identity.Door{Guests: guests}, err
	}
	options := identity.TokenOptions{
		Algorithm: f.JWTAlgorithm, JWKS: f.JWKS, Issuer: f.JWTIssuer, Audience: f.JWTAudience, Logger: logger,
	}
	if f.JWTKey != "" {
		var err error
		if options.Key, err = os.ReadFile(f.JWTKey); err != nil {
			return identity.Door{}, fmt.Errorf("--jwt-key: %w", err)
		}
	}
	tokens, err := identity.NewTokens(ctx, options)
	if err != nil {
		return identity.Door{}, fmt.Errorf("--auth=jwt: %w", err)
	}
	return identity.Door{Tokens: tokens}, nil
}
