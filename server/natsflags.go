package main

import (
	"errors"
	"fmt"

	"github.com/alecthomas/kong"

	"websockets/server/eventlog/jetstream"
)

// natsHelp holds the help texts of natsFlags, by the names in its tags.
var natsHelp = kong.Vars{
	"nats": "Store messages on these NATS servers instead of in --data. Several chat servers can share them. " +
		"Durability then depends on NATS: set sync_interval: always there, or use --replicas 3. " +
		"Users and passwords in the addresses are visible to others on this machine: prefer the files below.",
	"nats_prefix": "With --nats: what the names of streams, buckets and subjects begin with. Servers with the same prefix are one chat, " +
		"with different ones different chats.",
	"nats_creds": "With --nats: credentials file (.creds) of a NATS user.",
	"nats_nkey":  "With --nats: file with the nkey seed of a NATS user.",
	"nats_ca":    "With --nats: certificates (PEM) of the authorities to trust, instead of the system's. Requires TLS.",
	"nats_cert":  "With --nats: client certificate (PEM). Requires --nats-key, and TLS.",
	"nats_key":   "With --nats: private key of the client certificate (PEM).",
}

// natsFlags say which NATS servers to use, and how to connect to them.
type natsFlags struct {
	NATS       string `name:"nats" placeholder:"URL,…" help:"${nats}"`
	NATSPrefix string `name:"nats-prefix" default:"websockets" placeholder:"PREFIX" help:"${nats_prefix} Default ${default}."`
	NATSCreds  string `name:"nats-creds" placeholder:"FILE" help:"${nats_creds}"`
	NATSNKey   string `name:"nats-nkey" placeholder:"FILE" help:"${nats_nkey}"`
	NATSCA     string `name:"nats-ca" placeholder:"FILE" help:"${nats_ca}"`
	NATSCert   string `name:"nats-cert" placeholder:"FILE" help:"${nats_cert}"`
	NATSKey    string `name:"nats-key" placeholder:"FILE" help:"${nats_key}"`
}

// check returns an error if flags contradict each other. It has no secrets of an address.
func (f *natsFlags) check() error {
	switch {
	case f.NATS == "" && f.NATSPrefix != jetstream.DefaultPrefix:
		return errors.New("--nats-prefix requires --nats")
	case f.NATS == "" && f.credentials() != (jetstream.Credentials{}):
		return errors.New("the --nats flags require --nats")
	case f.NATS == "":
		return nil
	case f.NATSCreds != "" && f.NATSNKey != "":
		return errors.New("--nats-creds and --nats-nkey cannot be used together")
	case (f.NATSCert == "") != (f.NATSKey == ""):
		return errors.New("--nats-cert and --nats-key must be used together")
	}
	err := jetstream.CheckPrefix(f.NATSPrefix)
	if err != nil {
		return fmt.Errorf("--nats-prefix: %w", err)
	}
	_, err = jetstream.Addresses(f.NATS)
	if err != nil {
		return fmt.Errorf("--nats: %w", err)
	}
	return nil
}

func (f *natsFlags) credentials() jetstream.Credentials {
	return jetstream.Credentials{User: f.NATSCreds, NKey: f.NATSNKey, CA: f.NATSCA, Cert: f.NATSCert, Key: f.NATSKey}
}
