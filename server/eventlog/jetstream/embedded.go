package jetstream

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// startServer starts NATS inside this process, without a port or signal handlers. It
// calls failed when the store cannot be written, from any goroutine.
func startServer(opts Options, failed func(error)) (*server.Server, error) {
	// Each stream and bucket has a limit in its own settings. What Options say may be less
	// than an existing store has.
	const maxStore = 1 << 60
	srv, err := server.NewServer(&server.Options{
		ServerName:         "websockets",
		DontListen:         true,
		NoSigs:             true,
		JetStream:          true,
		StoreDir:           opts.Dir,
		JetStreamMaxStore:  maxStore,
		JetStreamMaxMemory: 64 << 20, // no stream is in memory
		SyncAlways:         opts.SyncAlways,
		SyncInterval:       SyncInterval,
	})
	if err != nil {
		return nil, fmt.Errorf("embedded NATS: %w", err)
	}
	srv.SetLoggerV2(serverLogger{opts.Logger, failed}, false, false, false)
	srv.Start()
	if !srv.ReadyForConnections(30 * time.Second) {
		srv.Shutdown()
		return nil, fmt.Errorf("embedded NATS did not start within 30 s on %s", opts.Dir)
	}
	if !srv.JetStreamEnabled() {
		srv.Shutdown()
		return nil, fmt.Errorf("embedded NATS could not open its store in %s: the log above says why", opts.Dir)
	}
	return srv, nil
}

// serverLogger forwards the embedded server's warnings and errors. Its log is the only
// place where NATS tells that a write has failed.
type serverLogger struct {
	log    *slog.Logger
	failed func(error)
}

func (l serverLogger) Noticef(string, ...any) {}
func (l serverLogger) Debugf(string, ...any)  {}
func (l serverLogger) Tracef(string, ...any)  {}
func (l serverLogger) Warnf(format string, v ...any) {
	l.forward(slog.LevelWarn, format, v)
}
func (l serverLogger) Errorf(format string, v ...any) {
	l.forward(slog.LevelError, format, v)
}
func (l serverLogger) Fatalf(format string, v ...any) {
	l.forward(slog.LevelError, format, v)
}

func (l serverLogger) forward(level slog.Level, format string, v []any) {
	text := fmt.Sprintf(format, v...)
	l.log.Log(context.Background(), level, "embedded NATS", "text", text)
	err := cmp.Or(diskError(v), writeFailure(text))
	if err != nil {
		l.failed(err)
	}
}
