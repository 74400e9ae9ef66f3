package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"websockets/server/auth"
	"websockets/server/chat"
	"websockets/server/eventlog"
	"websockets/server/eventlog/jetstream"
	"websockets/server/eventlog/memlog"
	"websockets/server/web"
	"websockets/static"
)

// stopWithin bounds a graceful stop: clients are told, messages in flight are stored,
// and connections are closed.
const stopWithin = 4 * time.Second

// Run serves until ctx ends, then stops gracefully.
func (s *serveCommand) Run(ctx context.Context, assets *static.Assets, stderr stderrWriter) error {
	if err := s.check(); err != nil {
		return err
	}
	logger := s.logger(stderr)
	c, err := s.open(ctx, assets, logger)
	if err != nil {
		return err
	}
	defer c.close()
	if !assets.Built() {
		logger.Warn("browser client not built: run ./build.sh")
	}
	logger.Info("listening", "open", c.address, "log", s.describe())
	err = c.serve(ctx)
	logger.Info("stopping")
	c.stop(ctx)
	return err
}

// chatServer holds the parts of a running server.
type chatServer struct {
	logger        *slog.Logger
	address       string // for a browser
	listener      net.Listener
	log           eventlog.Store
	authenticator auth.Authenticator
	manager       *chat.Manager
	http          *http.Server
}

// open opens the port and the log and connects the parts. It serves nothing yet. The
// caller must call close.
func (s *serveCommand) open(ctx context.Context, assets *static.Assets, logger *slog.Logger) (_ *chatServer, err error) {
	trusted, err := web.ParseProxies(s.TrustedProxy)
	if err != nil {
		return nil, fmt.Errorf("--trusted-proxy: %w", err)
	}
	backends, err := s.backends()
	if err != nil {
		return nil, err
	}
	c := &chatServer{logger: logger}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	err = s.listen(c)
	if err != nil {
		return nil, err
	}
	c.log, err = s.openLog(ctx, logger)
	if err != nil {
		return nil, err
	}
	c.authenticator, err = s.authenticator(ctx, c.log, logger)
	if err != nil {
		return nil, err
	}
	c.manager, err = chat.NewManager(c.log, c.authenticator, chat.Config{
		Rate: s.Rate, MaxConnsPerAddress: s.MaxConnsPerAddress, AllowOrigins: s.AllowOrigin, Version: assets.Version(),
		Volatile: s.Data == inMemory, Logger: logger,
	})
	if err != nil {
		return nil, err
	}
	c.manager.LoadRooms(ctx)
	c.http = &http.Server{
		Handler: web.Handler(web.Options{
			Assets: assets, Manager: c.manager, Authenticator: c.authenticator, Backends: backends, Trusted: trusted, Ready: c.log.Ready,
		}),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	return c, nil
}

// inMemory is the value of --data that keeps the log in memory.
const inMemory = "none"

// defaultMaxBytes is the default size of a log on disk. The log in memory has a
// default of its own.
const defaultMaxBytes = 10e9

// openLog opens the message log.
func (s *serveCommand) openLog(ctx context.Context, logger *slog.Logger) (eventlog.Store, error) {
	if s.Data == inMemory {
		logger.Warn("messages are kept in memory only and lost when the server stops", "data", inMemory)
		return memlog.Open(memlog.Options{
			MaxBytes: int64(s.MaxBytes), MaxAge: s.MaxAge, MaxRoomMessages: s.MaxRoomMessages,
		}), nil
	}
	log, err := jetstream.Open(ctx, jetstream.Options{
		Servers: s.NATS, Replicas: s.Replicas, NewEpoch: s.NewEpoch,
		Dir: s.Data, SyncAlways: s.Fsync != "interval", MaxBytes: int64(cmp.Or(s.MaxBytes, defaultMaxBytes)),
		MaxAge: s.MaxAge, MaxRoomMessages: s.MaxRoomMessages, Logger: logger,
	})
	if err != nil {
		return nil, err
	}
	return log, nil
}

// listen opens the port, with TLS if there is a certificate.
func (s *serveCommand) listen(c *chatServer) error {
	certificate, err := s.tlsFlags.config(c.logger)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", s.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s is in use: stop the program that listens there, or choose another address with --listen", s.Listen)
	} else if err != nil {
		return fmt.Errorf("cannot listen on %s: %w", s.Listen, err)
	}
	c.listener, c.address = listener, "http://"+listener.Addr().String()
	if certificate != nil {
		c.listener, c.address = tls.NewListener(listener, certificate), "https://"+listener.Addr().String()
	}
	return nil
}

// serve serves until ctx ends, or until the HTTP server or the log has failed.
func (c *chatServer) serve(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	var background sync.WaitGroup
	defer background.Wait()
	defer stop()
	if c.authenticator.Guests != nil {
		background.Go(func() { rotateKeysLoop(ctx, c.log, c.authenticator.Guests, c.logger) })
	}
	served := make(chan error, 1)
	go func() { served <- c.http.Serve(c.listener) }()
	select {
	case err := <-served:
		return err
	case err := <-c.log.Failed():
		return err
	case <-ctx.Done():
		return nil
	}
}

// stop closes all connections gracefully within stopWithin. ctx may have ended.
func (c *chatServer) stop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	c.manager.Shutdown(ctx)
	_ = c.http.Shutdown(ctx)
}

// close closes the log and the port if they are open.
func (c *chatServer) close() {
	if c.log != nil {
		c.log.Close()
	}
	if c.listener != nil {
		_ = c.listener.Close()
	}
}

// backends reads the tokens of the HTTP API. It returns nil if the API is disabled.
func (s *serveCommand) backends() (web.Backends, error) {
	if s.APITokens == "" {
		return nil, nil
	}
	text, err := os.ReadFile(s.APITokens)
	if err != nil {
		return nil, fmt.Errorf("--api-tokens: %w", err)
	}
	backends, err := web.ParseBackends(text)
	if err != nil {
		return nil, fmt.Errorf("--api-tokens: %s: %w", s.APITokens, err)
	}
	return backends, nil
}

// describe says where messages are stored and what an ack means.
func (s *serveCommand) describe() string {
	switch {
	case s.Data == inMemory:
		return "in memory only"
	case s.NATS != "":
		return fmt.Sprintf("NATS at %s with %d replicas, synced as its sync_interval says", s.NATS, s.Replicas)
	case s.Fsync == "interval":
		return s.Data + ", synced to disk once a second"
	default:
		return s.Data + ", synced to disk before each ack"
	}
}

func (s *serveCommand) logger(w io.Writer) *slog.Logger {
	if s.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, nil))
	}
	return slog.New(slog.NewTextHandler(w, nil))
}
