package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
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
	// Otherwise the next line of the log would end the server when its reader has gone.
	signal.Ignore(syscall.SIGPIPE)
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	c, err := s.open(ctx, assets, logger)
	if err != nil {
		return err
	}
	defer c.close()
	if !assets.Built() {
		logger.Warn("browser client not built: run ./build.sh")
	}
	logger.Info("listening", "open", c.address, "log", s.describe())
	err = c.serve(ctx, hangups)
	logger.Info("stopping")
	c.stop(ctx)
	return err
}

// chatServer holds the parts of a running server.
type chatServer struct {
	logger        *slog.Logger
	address       string // for a browser, or the proxy in front
	listeners     []net.Listener
	log           eventlog.Store
	authenticator auth.Authenticator
	manager       *chat.Manager
	http          *http.Server
	files         []reloadable
}

// open opens the sockets and the log and connects the parts. It serves nothing yet. The
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
	if backends != nil {
		c.files = append(c.files, reloadable{s.APITokens, func() error { return s.reloadBackends(backends) }})
	}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	err = s.listen(c)
	if err != nil {
		return nil, err
	}
	if c.isLocal() { // whoever may open the socket is a proxy
		trusted = append(trusted, netip.PrefixFrom(loopback, loopback.BitLen()))
	}
	c.log, err = s.openLog(ctx, logger)
	if err != nil {
		return nil, err
	}
	c.authenticator, err = s.authenticator(ctx, c.log, logger)
	if err != nil {
		return nil, err
	}
	if s.JWTKey != "" {
		c.files = append(c.files, reloadable{s.JWTKey, func() error { return s.reloadKey(c.authenticator.Tokens) }})
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
			HSTS: s.HSTS, BasePath: s.BasePath,
			Logger: logger,
		}),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          web.ErrorLog(logger),
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
	options := jetstream.Options{
		Servers: s.NATS, Prefix: s.NATSPrefix, Credentials: s.credentials(), Replicas: s.Replicas,
		NewEpoch: s.NewEpoch, ApplySettings: s.ApplySettings,
		Dir: s.Data, SyncAlways: s.Fsync != "interval", MaxBytes: int64(cmp.Or(s.MaxBytes, defaultMaxBytes)),
		MaxAge: s.MaxAge, MaxRoomMessages: s.MaxRoomMessages, Logger: logger,
	}
	var log *jetstream.Log
	open := func(ctx context.Context) (err error) {
		log, err = jetstream.Open(ctx, options)
		return err
	}
	var err error
	if s.NATS == "" {
		err = open(ctx)
	} else {
		err = await(ctx, logger, "NATS", open)
	}
	if err != nil {
		return nil, err
	}
	s.Replicas = log.Replicas() // what the log has, for describe
	return log, nil
}

// serve serves until ctx ends, or until the HTTP server or the log has failed. It reloads
// the files at each hangup.
func (c *chatServer) serve(ctx context.Context, hangups <-chan os.Signal) error {
	ctx, stop := context.WithCancel(ctx)
	var background sync.WaitGroup
	defer background.Wait()
	defer stop()
	if c.authenticator.Guests != nil {
		background.Go(func() { rotateKeysLoop(ctx, c.log, c.authenticator.Guests, c.logger) })
	}
	served := make(chan error, len(c.listeners))
	for _, l := range c.listeners {
		go func() { served <- c.http.Serve(l) }()
	}
	for {
		select {
		case err := <-served:
			return err
		case err := <-c.log.Failed():
			return err
		case <-hangups:
			c.reload()
		case <-ctx.Done():
			return nil
		}
	}
}

// stop closes all connections gracefully within stopWithin. ctx may have ended.
func (c *chatServer) stop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	c.manager.Shutdown(ctx)
	_ = c.http.Shutdown(ctx)
}

// close closes the log and the sockets if they are open.
func (c *chatServer) close() {
	if c.log != nil {
		c.log.Close()
	}
	for _, l := range c.listeners {
		_ = l.Close()
	}
}

// backends reads the tokens of the HTTP API. It returns nil if the API is disabled.
func (s *serveCommand) backends() (*web.Backends, error) {
	if s.APITokens == "" {
		return nil, nil
	}
	backends := &web.Backends{}
	err := s.reloadBackends(backends)
	if err != nil {
		return nil, err
	}
	return backends, nil
}

func (s *serveCommand) reloadBackends(backends *web.Backends) error {
	text, err := os.ReadFile(s.APITokens)
	if err != nil {
		return fmt.Errorf("--api-tokens: %w", err)
	}
	err = backends.Replace(text)
	if err != nil {
		return fmt.Errorf("--api-tokens: %s: %w", s.APITokens, err)
	}
	return nil
}

// describe says where messages are stored and what an ack means.
func (s *serveCommand) describe() string {
	switch {
	case s.Data == inMemory:
		return "in memory only"
	case s.NATS != "":
		addresses, _ := jetstream.Addresses(s.NATS) // check has found no error
		return fmt.Sprintf("NATS at %s with %d replicas, synced as its sync_interval says", addresses, s.Replicas)
	case s.Fsync == "interval":
		return s.Data + ", synced to disk once a second"
	default:
		return s.Data + ", synced to disk before each ack"
	}
}
