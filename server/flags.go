package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"websockets/server/eventlog"
)

type commandLine struct {
	Serve   serveCommand     `cmd:"" default:"withargs" help:"Serve the chat (the default command)."`
	Bench   benchCommand     `cmd:"" help:"${bench}"`
	Version kong.VersionFlag `env:"-" help:"Print the version and exit."`
}

// serveHelp are the longer texts of serve's flags, which their tags name.
var serveHelp = kong.Vars{
	"listen": "Address to listen on. Port 0 takes a free one. Default 127.0.0.1:8080: this machine only; use :8080 for all.",
	"data":   "Folder of the message log, for one process at a time; 'none' keeps messages in memory only, until the server stops.",
	"fsync": "When an ack goes out: 'always' once the message is on disk; 'interval' earlier, and a crash of the machine " +
		"(not of the process) may lose the last second. Default always.",
	"nats": "Keep the log on these NATS servers instead of in --data; several servers of this kind may share them. " +
		"How safe an ack is, is then theirs to say: set sync_interval: always there, or use --replicas 3.",
	"new_epoch": "The store in --data was restored from a backup: clients that saw more than is in it start over. For one start.",
	"replicas":  "With --nats: how many servers of the cluster keep each message, 1, 3 or 5.",
	"api_tokens": "Turns the HTTP API for your backends on. Each line of the file: a name, a token of at least 32 characters, " +
		"and what it may do: messages:read messages:write sessions:delete.",
	"tls_cert": "Certificate chain (PEM) to serve over TLS with; needs --tls-key. Both are read again when they change.",
	"trusted_proxy": "Address or network (10.0.0.0/8) of a proxy in front, whose X-Forwarded-For and X-Forwarded-Proto are " +
		"believed. May be repeated.",
	"rate": "Events a connection may send in a second, three times as many in a burst; 0 is no limit.",
	"max_conns_per_address": "Connections that one address may have; an IPv6 network of 64 bits counts as one. " +
		"0 is no limit, for users neither.",
	"max_bytes":  "How much the log may hold; the oldest messages go first. Default 10GB, with --data none 256MB.",
	"log_format": "Format of the log on standard error. Default text.",
	"max_age":    "How long messages are kept, as in 720h; 0 is for ever.",
}

type serveCommand struct {
	Listen       string   `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"${listen}"`
	Data         string   `default:"./data" placeholder:"DIR" help:"${data} Default ${default}."`
	Fsync        string   `enum:",always,interval" default:"" placeholder:"always|interval" help:"${fsync}"`
	NATS         string   `name:"nats" placeholder:"URL,…" help:"${nats}"`
	NewEpoch     bool     `help:"${new_epoch}"`
	Replicas     int      `default:"1" placeholder:"N" help:"${replicas} Default ${default}."`
	AllowOrigin  []string `placeholder:"ORIGIN" help:"Origin (https://host) of another site whose pages may connect. May be repeated."`
	authFlags    `embed:""`
	tlsFlags     `embed:""`
	APITokens    string   `name:"api-tokens" placeholder:"FILE" help:"${api_tokens}"`
	TrustedProxy []string `placeholder:"ADDRESS" help:"${trusted_proxy}"`
	Rate         float64  `default:"10" placeholder:"N" help:"${rate} Default ${default}."`

	MaxConnsPerAddress int `default:"100" placeholder:"N" help:"${max_conns_per_address} Default ${default}."`

	MaxBytes        byteSize      `placeholder:"SIZE" help:"${max_bytes}"`
	MaxAge          time.Duration `default:"0" placeholder:"DURATION" help:"${max_age} Default ${default}."`
	MaxRoomMessages int64         `default:"0" placeholder:"N" help:"How many messages a room keeps; 0 is no limit. Default ${default}."`

	// LogFormat was --log once.
	LogFormat string `aliases:"log" env:"WEBSOCKETS_LOG_FORMAT,WEBSOCKETS_LOG" default:"text" enum:"text,json" placeholder:"text|json" help:"${log_format}"`
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
		return fmt.Errorf("--max-age=%v is too short: a message is kept for at least %v, in which sending it again is noticed",
			s.MaxAge, eventlog.DedupeWindow)
	}
	return nil
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
