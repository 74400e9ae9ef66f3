package main

import (
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

	"websockets/server/chat"
	"websockets/server/roomlog"
	"websockets/server/web"
	"websockets/static"
)

// stopWithin is how long a stop may take: connections are told, messages under
// way are stored, everything is waited for.
const stopWithin = 4 * time.Second

// Run serves until ctx ends, then stops in order.
func (s *serveCommand) Run(ctx context.Context, assets *static.Assets, stderr stderrWriter) error {
	if err := s.check(); err != nil {
		return err
	}
	logger := s.logger(stderr)
	listener, err := net.Listen("tcp", s.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s is in use: stop what listens there, or choose another with --listen", s.Listen)
	} else if err != nil {
		return fmt.Errorf("cannot listen on %s: %w", s.Listen, err)
	}
	defer listener.Close()
	trusted, err := web.ParseProxies(s.TrustedProxy)
	if err != nil {
		return fmt.Errorf("--trusted-proxy: %w", err)
	}
	backends, err := s.backends()
	if err != nil {
		return err
	}
	certificate, err := s.tlsFlags.config(logger)
	if err != nil {
		return err
	}

	log, err := roomlog.Open(ctx, roomlog.Options{
		Servers: s.NATS, Replicas: s.Replicas,
		NewEpoch: s.NewEpoch, Dir: s.Data, SyncAlways: s.Fsync != "interval", MaxBytes: int64(s.MaxBytes),
		MaxAge: s.MaxAge, MaxRoomMessages: s.MaxRoomMessages, Logger: logger,
	})
	if err != nil {
		return err
	}
	defer log.Close()
	door, err := s.door(ctx, log, logger)
	if err != nil {
		return err
	}
	manager, err := chat.NewManager(log, door, chat.Config{
		Rate: s.Rate, MaxConnsPerAddress: s.MaxConnsPerAddress, AllowOrigins: s.AllowOrigin, Version: assets.Version(), Logger: logger,
	})
	if err != nil {
		return err
	}

	server := &http.Server{
		Handler:           web.Handler(web.Options{Assets: assets, Manager: manager, Door: door, Backends: backends, Trusted: trusted, Ready: log.Ready}),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	var looking sync.WaitGroup
	defer looking.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if door.Guests != nil {
		looking.Go(func() { keepKeys(ctx, log, door.Guests, logger) })
	}
	served := make(chan error, 1)
	open := "http://" + listener.Addr().String()
	if certificate != nil {
		open = "https://" + listener.Addr().String()
		listener = tls.NewListener(listener, certificate)
	}
	go func() { served <- server.Serve(listener) }()
	if !assets.Built() {
		logger.Warn("the browser client is not built: ./build.sh builds it")
	}
	logger.Info("listening", "open", open, "log", s.describe())

	select {
	case err = <-served:
	case err = <-log.Failed():
	case <-ctx.Done():
	}
	logger.Info("stopping")
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	manager.Shutdown(ending)
	_ = server.Shutdown(ending)
	return err
}

// backends reads who may use the HTTP API, nil if there is none.
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

// describe says where messages are kept and how safe they are when acked.
func (s *serveCommand) describe() string {
	switch {
	case s.NATS != "":
		return fmt.Sprintf("%d replicas on NATS at %s; whether an ack means on disk is its sync_interval's to say", s.Replicas, s.NATS)
	case s.Fsync == "interval":
		return s.Data + ", synced to disk once a second"
	default:
		return s.Data + ", every message synced to disk before it is acked"
	}
}

func (s *serveCommand) logger(w io.Writer) *slog.Logger {
	if s.Log == "json" {
		return slog.New(slog.NewJSONHandler(w, nil))
	}
	return slog.New(slog.NewTextHandler(w, nil))
}
