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

// tlsFlags configures the server's certificate.
type tlsFlags struct {
	TLSCert string `name:"tls-cert" placeholder:"FILE" help:"${tls_cert}"`
	TLSKey  string `name:"tls-key" placeholder:"FILE" help:"Private key of the certificate (PEM)."`
}

// certificateEvery is the shortest time between two checks of the files.
const certificateEvery = time.Second

// certificate loads the certificate, nil if TLS is off.
func (f *tlsFlags) certificate(logger *slog.Logger) (*certificate, error) {
	if f.TLSCert == "" && f.TLSKey == "" {
		return nil, nil
	}
	if f.TLSCert == "" || f.TLSKey == "" {
		return nil, errors.New("--tls-cert and --tls-key must be used together")
	}
	c := &certificate{files: *f, logger: logger}
	if err := c.read(); err != nil {
		return nil, fmt.Errorf("load certificate: %w", err)
	}
	return c, nil
}

// certificate reloads its files when they have changed. If that fails, it logs the
// error and keeps the current certificate. Safe for concurrent use.
type certificate struct {
	files  tlsFlags
	logger *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	changed [2]time.Time // modification times of the loaded files
	checked time.Time    // when the files were last read
}

// config returns the TLS configuration with the certificate.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: c.get,
		NextProtos:     []string{"http/1.1"}, // a WebSocket begins as an HTTP/1.1 upgrade
	}
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.checked) >= certificateEvery && c.modified() != c.changed {
		if err := c.read(); err != nil {
			c.logger.Error("certificate reload failed, keeping the current one", "file", c.files.TLSCert, "err", err)
		} else {
			c.logger.Info("certificate reloaded", "file", c.files.TLSCert)
		}
	}
	return c.current, nil
}

// reload reads the files again. On an error the current certificate stays.
func (c *certificate) reload() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read()
}

// read loads the files. The caller holds c.mu, or has not shared c yet.
func (c *certificate) read() error {
	c.checked, c.changed = time.Now(), c.modified()
	pair, err := tls.LoadX509KeyPair(c.files.TLSCert, c.files.TLSKey)
	if err == nil {
		c.current = &pair
	}
	return err
}

// modified returns the modification times of the files, zero for a missing one.
func (c *certificate) modified() (at [2]time.Time) {
	for i, file := range []string{c.files.TLSCert, c.files.TLSKey} {
		if info, err := os.Stat(file); err == nil {
			at[i] = info.ModTime()
		}
	}
	return at
}
