// The websockets server: a room chat of typed events over WebSocket, every
// message in a durable log, in one binary.
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
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"websockets/server/chat"
	"websockets/server/eventlog"
	"websockets/server/eventlog/jetstream"
	"websockets/server/eventlog/memlog"
	"websockets/server/web"
	"websockets/static"
)

// stopWithin is how long a stop may take: connections are told, messages under
// way are stored, everything is waited for.
const stopWithin = 4 * time.Second

const description = `A room chat of typed events over WebSocket. Every message is in a durable log, every connection is a cursor into it.

Start it and open the address it prints. All state is in the --data folder; stop it with Ctrl-C.

Every flag can be set in the environment too: --listen is WEBSOCKETS_LISTEN.

websockets bench loads a server that runs, and tells what it can take: websockets bench --help.`

type commandLine struct {
	Serve   serveCommand     `cmd:"" default:"withargs" help:"Serve the chat (the default command)."`
	Bench   benchCommand     `cmd:"" help:"${bench}"`
	Version kong.VersionFlag `env:"-" help:"Print the version and exit."`
}

type serveCommand struct {
	Listen       string   `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Address to listen on. Port 0 takes a free one. Default ${default}: this machine only; use :8080 for all."`
	Data         string   `default:"./data" placeholder:"DIR" help:"Folder of the message log, for one process at a time; 'none' keeps messages in memory only, until the server stops. Default ${default}."`
	Fsync        string   `enum:",always,interval" default:"" placeholder:"always|interval" help:"When an ack goes out: 'always' once the message is on disk; 'interval' earlier, and a crash of the machine (not of the process) may lose the last second. Default always."`
	NATS         string   `name:"nats" placeholder:"URL,…" help:"Keep the log on these NATS servers instead of in --data; several servers of this kind may share them. How safe an ack is, is then theirs to say: set sync_interval: always there, or use --replicas 3."`
	NewEpoch     bool     `help:"The store in --data was restored from a backup: clients that saw more than is in it start over. For one start."`
	Replicas     int      `default:"1" placeholder:"N" help:"With --nats: how many servers of the cluster keep each message, 1, 3 or 5. Default ${default}."`
	AllowOrigin  []string `placeholder:"ORIGIN" help:"Origin (https://host) of another site whose pages may connect. May be repeated."`
	authFlags    `embed:""`
	tlsFlags     `embed:""`
	APITokens    string   `name:"api-tokens" placeholder:"FILE" help:"Turns the HTTP API for your backends on. Each line of the file: a name, a token of at least 32 characters, and what it may do: messages:read messages:write sessions:delete."`
	TrustedProxy []string `placeholder:"ADDRESS" help:"Address or network (10.0.0.0/8) of a proxy in front, whose X-Forwarded-For and X-Forwarded-Proto are believed. May be repeated."`
	Rate         float64  `default:"10" placeholder:"N" help:"Events a connection may send in a second, three times as many in a burst; 0 is no limit. Default ${default}."`

	MaxConnsPerAddress int `default:"100" placeholder:"N" help:"Connections that one address may have; an IPv6 network of 64 bits counts as one. 0 is no limit, for users neither. Default ${default}."`

	MaxBytes        byteSize      `placeholder:"SIZE" help:"How much the log may hold; the oldest messages go first. Default 10GB, with --data none 256MB."`
	MaxAge          time.Duration `default:"0" placeholder:"DURATION" help:"How long messages are kept, as in 720h; 0 is for ever. Default ${default}."`
	MaxRoomMessages int64         `default:"0" placeholder:"N" help:"How many messages a room keeps; 0 is no limit. Default ${default}."`

	Log string `default:"text" enum:"text,json" placeholder:"text|json" help:"Format of the log on standard error. Default ${default}."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main with its surroundings handed in; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	assets, err := static.Load()
	if err != nil {
		fmt.Fprintln(stderr, "websockets: the page inside this binary is broken:", err)
		return 1
	}
	var cli commandLine
	exit := -1
	parser := kong.Must(&cli,
		kong.Name("websockets"),
		kong.Description(description),
		kong.DefaultEnvars("WEBSOCKETS"),
		kong.Vars{"version": versionLine(assets), "bench": benchHelp},
		kong.UsageOnError(),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exit = code }),
		kong.ConfigureHelp(kong.HelpOptions{WrapUpperBound: 100}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(assets),
		kong.Bind(stdoutWriter{stdout}, stderrWriter{stderr}),
	)
	if len(args) == 1 && (args[0] == "--help" || args[0] == "-h") {
		args = []string{"serve", "--help"} // what somebody new wants to know
	}
	parsed, err := parser.Parse(args)
	switch {
	case exit >= 0: // --help or --version
		return exit
	case err != nil:
		fmt.Fprintf(stderr, "websockets: %v (see --help)\n", err)
		return 2
	}
	if err := parsed.Run(); err != nil {
		fmt.Fprintln(stderr, "websockets:", err)
		return 1
	}
	return 0
}

// stdoutWriter is where results go, and stderrWriter the log.
type (
	stdoutWriter struct{ io.Writer }
	stderrWriter struct{ io.Writer }
)

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

	log, err := s.openLog(ctx, logger)
	if err != nil {
		return err
	}
	defer log.Close()
	door, err := s.door(ctx, log, logger)
	if err != nil {
		return err
	}
	manager, err := chat.NewManager(log, door, chat.Config{
		Rate: s.Rate, MaxConnsPerAddress: s.MaxConnsPerAddress, AllowOrigins: s.AllowOrigin, Version: assets.Version(), Volatile: s.Data == inMemory, Logger: logger,
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

// inMemory is the value of --data for a log that is not kept.
const inMemory = "none"

// defaultMaxBytes bounds a log on disk.
const defaultMaxBytes = 10e9

// openLog opens the message log.
func (s *serveCommand) openLog(ctx context.Context, logger *slog.Logger) (eventlog.Store, error) {
	if s.Data == inMemory {
		logger.Warn("messages are kept in memory only: they are gone when the server stops (--data none)")
		return memlog.Open(memlog.Options{MaxBytes: int64(s.MaxBytes), MaxAge: s.MaxAge, MaxRoomMessages: s.MaxRoomMessages}), nil
	}
	return jetstream.Open(ctx, jetstream.Options{
		Servers: s.NATS, Replicas: s.Replicas,
		NewEpoch: s.NewEpoch, Dir: s.Data, SyncAlways: s.Fsync != "interval", MaxBytes: int64(cmp.Or(s.MaxBytes, defaultMaxBytes)),
		MaxAge: s.MaxAge, MaxRoomMessages: s.MaxRoomMessages, Logger: logger,
	})
}

// check refuses flags that contradict each other.
func (s *serveCommand) check() error {
	switch err := s.authFlags.check(); {
	case err != nil:
		return err
	case s.NATS != "" && s.Fsync != "":
		return errors.New("--fsync is for the log in --data: with --nats, the NATS servers decide when a message is on disk")
	case s.Data == inMemory && (s.NATS != "" || s.Fsync != "" || s.NewEpoch):
		return errors.New("--data none keeps nothing: --nats, --fsync and --new-epoch are for a log that is kept")
	case s.NATS == "" && s.Replicas != 1:
		return errors.New("--replicas is for a cluster: it goes with --nats")
	case s.MaxAge != 0 && s.MaxAge < eventlog.DedupeWindow:
		return fmt.Errorf("--max-age=%v is too short: a message is kept for at least %v, in which sending it again is noticed", s.MaxAge, eventlog.DedupeWindow)
	}
	return nil
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
	case s.Data == inMemory:
		return "in memory only"
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

// byteSize is a number of bytes: 500MB, 10GB, 1TB.
type byteSize int64

func (b *byteSize) UnmarshalText(text []byte) error {
	number, unit := string(text), int64(1)
	for suffix, factor := range map[string]int64{"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12} {
		if n, ok := strings.CutSuffix(strings.ToUpper(number), suffix); ok {
			number, unit = n, factor
			break
		}
	}
	var n int64
	if _, err := fmt.Sscanf(strings.TrimSpace(number)+"\n", "%d\n", &n); err != nil || n < 1 || n > 1<<62/unit {
		return fmt.Errorf("%q is not a size like 500MB or 10GB", text)
	}
	if *b = byteSize(n * unit); *b < 64e6 {
		return fmt.Errorf("%q is too small: 64MB is the least", text)
	}
	return nil
}
