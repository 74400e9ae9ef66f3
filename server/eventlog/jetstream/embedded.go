package jetstream

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// startServer starts NATS inside this process: no port, no signals, only
// in-process connections. failed is called when it meets that its disk cannot be
// written.
func startServer(opts Options, failed func(error)) (*server.Server, error) {
	const forValues = 1 << 30 // beside the messages: names, read marks, epochs
	srv, err := server.NewServer(&server.Options{
		ServerName:         "websockets",
		DontListen:         true,
		NoSigs:             true,
		JetStream:          true,
		StoreDir:           opts.Dir,
		JetStreamMaxStore:  opts.MaxBytes + forValues,
		JetStreamMaxMemory: 64 << 20, // nothing of ours is kept in memory only
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

// serverLogger hands the embedded server's warnings and errors to ours. That a
// write has failed is told nowhere else: the message is just not acknowledged.
type serverLogger struct {
	log    *slog.Logger
	failed func(error)
}

func (l serverLogger) Noticef(string, ...any) {}
func (l serverLogger) Debugf(string, ...any)  {}
func (l serverLogger) Tracef(string, ...any)  {}
func (l serverLogger) Warnf(format string, v ...any) {
	l.tell(slog.LevelWarn, format, v)
}
func (l serverLogger) Errorf(format string, v ...any) {
	l.tell(slog.LevelError, format, v)
}
func (l serverLogger) Fatalf(format string, v ...any) {
	l.tell(slog.LevelError, format, v)
}

func (l serverLogger) tell(level slog.Level, format string, v []any) {
	l.log.Log(context.Background(), level, "nats: "+fmt.Sprintf(format, v...))
	if err := writeFailure(v); err != nil {
		l.failed(err)
	}
}
