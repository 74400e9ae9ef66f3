package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// tlsFlags are the server's certificate.
type tlsFlags struct {
	TLSCert string `name:"tls-cert" placeholder:"FILE" help:"${tls_cert}"`
	TLSKey  string `name:"tls-key" placeholder:"FILE" help:"The certificate's private key (PEM)."`
}

// certificateEvery is how often the files are looked at.
const certificateEvery = time.Second

// config returns the TLS configuration of the files, nil without files.
func (f *tlsFlags) config(logger *slog.Logger) (*tls.Config, error) {
	if f.TLSCert == "" && f.TLSKey == "" {
		return nil, nil
	}
	if f.TLSCert == "" || f.TLSKey == "" {
		return nil, errors.New("--tls-cert and --tls-key go together")
	}
	c := &certificate{files: *f, logger: logger}
	if err := c.read(); err != nil {
		return nil, fmt.Errorf("the certificate: %w", err)
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: c.get,
		NextProtos:     []string{"http/1.1"}, // WebSockets are upgraded from it
	}, nil
}

// certificate is read from its files again when they have changed. What cannot be
// used is logged, and the one before goes on.
type certificate struct {
	files  tlsFlags
	logger *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	changed [2]time.Time // of the files, when they were read
	looked  time.Time
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) >= certificateEvery && c.modified() != c.changed {
		if err := c.read(); err != nil {
			c.logger.Error("the new certificate cannot be used: the old one goes on", "err", err)
		} else {
			c.logger.Info("the certificate is a new one", "file", c.files.TLSCert)
		}
	}
	return c.current, nil
}

// read reads the files. c.mu is held, or nobody else knows c yet.
func (c *certificate) read() error {
	c.looked, c.changed = time.Now(), c.modified()
	pair, err := tls.LoadX509KeyPair(c.files.TLSCert, c.files.TLSKey)
	if err == nil {
		c.current = &pair
	}
	return err
}

func (c *certificate) modified() (at [2]time.Time) {
	for i, file := range []string{c.files.TLSCert, c.files.TLSKey} {
		if info, err := os.Stat(file); err == nil {
			at[i] = info.ModTime()
		}
	}
	return at
}
