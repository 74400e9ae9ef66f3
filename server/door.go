package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/alecthomas/kong"

	"websockets/server/auth"
	"websockets/server/eventlog"
)

// authHelp are the longer texts of authFlags, which their tags name.
var authHelp = kong.Vars{
	"auth":          "Who may come in: everyone as a 'guest', or users of your own with a 'jwt' of your identity provider.",
	"jwt_algorithm": "With --auth=jwt: how tokens are signed, HS256, RS256, ES256, EdDSA and so on. Nothing else is taken.",
	"jwt_key":       "With --auth=jwt: file with the shared secret (HS…) or the public key (PEM) that tokens are signed with.",
	"jwt_jwks":      "With --auth=jwt, instead of --jwt-key: address where the provider publishes its keys; new ones are fetched.",
}

// authFlags say who may come in.
type authFlags struct {
	Auth         string `enum:"guest,jwt" default:"guest" placeholder:"guest|jwt" help:"${auth} Default ${default}."`
	JWTAlgorithm string `name:"jwt-algorithm" placeholder:"ALG" help:"${jwt_algorithm}"`
	JWTKey       string `name:"jwt-key" placeholder:"FILE" help:"${jwt_key}"`
	JWKS         string `name:"jwt-jwks" placeholder:"URL" help:"${jwt_jwks}"`
	JWTIssuer    string `name:"jwt-issuer" placeholder:"ISS" help:"With --auth=jwt: what a token's iss has to be."`
	JWTAudience  string `name:"jwt-audience" placeholder:"AUD" help:"With --auth=jwt: what a token's aud has to be."`
	ForgetGuests bool   `help:"The keys of guests' sessions are known to others: everyone becomes another guest. For one start."`
}

// check refuses flags that contradict each other.
func (f *authFlags) check() error {
	switch {
	case f.Auth == "guest" && (f.JWTAlgorithm != "" || f.JWTKey != "" || f.JWKS != "" || f.JWTIssuer != "" || f.JWTAudience != ""):
		return errors.New("the --jwt flags go with --auth=jwt")
	case f.Auth == "guest":
		return nil
	case f.ForgetGuests:
		return errors.New("--forget-guests is for guests: with --auth=jwt there are none")
	case f.JWTAlgorithm == "":
		return errors.New("--auth=jwt needs --jwt-algorithm, as in --jwt-algorithm=RS256: which one it is, is never the token's to say")
	case (f.JWTKey == "") == (f.JWKS == ""):
		return errors.New("--auth=jwt needs --jwt-key or --jwt-jwks, one of the two")
	}
	return nil
}

// door opens the way in. Guests' keys are looked after until ctx ends.
func (f *authFlags) door(ctx context.Context, log eventlog.Log, logger *slog.Logger) (auth.Door, error) {
	if f.Auth == "guest" {
		guests, err := openGuests(ctx, log, f.ForgetGuests)
		return auth.Door{Guests: guests}, err
	}
	options := auth.TokenOptions{
		Algorithm: f.JWTAlgorithm, JWKS: f.JWKS, Issuer: f.JWTIssuer, Audience: f.JWTAudience, Logger: logger,
	}
	if f.JWTKey != "" {
		var err error
		if options.Key, err = os.ReadFile(f.JWTKey); err != nil {
			return auth.Door{}, fmt.Errorf("--jwt-key: %w", err)
		}
	}
	tokens, err := auth.NewTokens(ctx, options)
	if err != nil {
		return auth.Door{}, fmt.Errorf("--auth=jwt: %w", err)
	}
	return auth.Door{Tokens: tokens}, nil
}
