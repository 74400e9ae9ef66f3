package jetstream

import (
	"fmt"
	"os"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// Credentials are the files with which to connect to NATS servers; each may be empty. All
// but the public part of NKey are read again at each reconnect.
type Credentials struct {
	User      string // a user's JWT and key, as nsc writes them (.creds)
	NKey      string // the seed of a user's nkey
	CA        string // certificates of the authorities to trust instead of the system's (PEM)
	Cert, Key string // a client certificate and its private key (PEM)
}

// options returns the options of a connection. It returns an error if a file cannot be
// used, and says by which flag it was given.
func (c Credentials) options() (options []nats.Option, err error) {
	if c.User != "" {
		err = checkUser(c.User)
		if err != nil {
			return nil, fmt.Errorf("--nats-creds: %w", err)
		}
		options = append(options, nats.UserCredentials(c.User))
	}
	if c.NKey != "" {
		nkey, err := nats.NkeyOptionFromSeed(c.NKey)
		if err != nil {
			return nil, fmt.Errorf("--nats-nkey: %w", err)
		}
		options = append(options, nkey)
	}
	var scratch nats.Options // applying an option reads its files
	if c.CA != "" {
		authorities := nats.RootCAs(c.CA)
		if err := authorities(&scratch); err != nil {
			return nil, fmt.Errorf("--nats-ca: %w", err)
		}
		options = append(options, authorities)
	}
	if c.Cert != "" {
		certificate := nats.ClientCert(c.Cert, c.Key)
		if err := certificate(&scratch); err != nil {
			return nil, fmt.Errorf("--nats-cert: %w", err)
		}
		options = append(options, certificate)
	}
	return options, nil
}

// checkUser returns an error if a credentials file has no key of a user. The library would
// send a file that is something else to the server.
func checkUser(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	pair, err := nkeys.ParseDecoratedUserNKey(text)
	if err != nil {
		return fmt.Errorf("%s is not a credentials file of a NATS user: %w", file, err)
	}
	pair.Wipe()
	return nil
}
