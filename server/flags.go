package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"websockets/server/eventlog"
	"websockets/server/web"
)

type commandLine struct {
	Serve   serveCommand     `cmd:"" default:"withargs" help:"Serve the chat (the default command)."`
	Bench   benchCommand     `cmd:"" help:"${bench}"`
	Version kong.VersionFlag `env:"-" help:"Print the version and exit."`
}

// serveHelp holds the longer help texts of serveCommand, by the names in its tags.
var serveHelp = kong.Vars{
	"listen": "Address to listen on. Port 0 picks a free port. Default 127.0.0.1:8080, this machine only; :8080 listens everywhere. " +
		"unix:/PATH is a Unix socket that its owner and group may open: for a reverse proxy, whose X-Forwarded-For, X-Forwarded-Proto and Forwarded are then trusted. " +
		"systemd: takes the sockets of a .socket unit; without --listen they are taken too.",
	"data": "Folder of the message log. Only one process may use it at a time. 'none' keeps messages in memory only: they are " +
		"lost when the server stops.",
	"fsync": "When to sync to disk: 'always' before each ack, or 'interval', once a second. With interval, a crash of the machine " +
		"may lose the last second of acked messages. Default always.",
	"new_epoch": "Use once after restoring --data from a backup: clients that have seen newer messages start over.",
	"replicas":  "With --nats: number of NATS servers that store each message: 1, 3 or 5.",
	"apply_settings": "Use once to change --replicas, --max-bytes, --max-age and --max-room-messages of a log that exists; without it " +
		"they are for a new log only. The server first logs what that deletes.",
	"api_tokens": "Enable the HTTP API. Each line of the file has a name, a token of at least 32 characters, " +
		"and scopes: messages:read messages:write sessions:delete. SIGHUP reloads it.",
	"allow_origin": "Origin (https://host) of another site whose pages may connect. May be repeated.",
	"tls_cert":     "Certificate chain (PEM): serve over TLS. Requires --tls-key. Both files are reloaded when they change, and at SIGHUP.",
	"base_path": "Path under which a reverse proxy serves the chat, such as /chat. It may cut the path off or not. " +
		"Two chats on one host need different paths.",
	"hsts": "Over TLS, tell browsers for a year to use TLS only, on every port of this host (Strict-Transport-Security).",
	"trusted_proxy": "Address or network (10.0.0.0/8) of a reverse proxy. Its X-Forwarded-For, X-Forwarded-Proto and " +
		"Forwarded are trusted. May be repeated.",
	"rate": "Events a second per connection, with bursts of three times as many. 0 means no limit.",
	"max_conns_per_address": "Connections per address. An IPv6 /64 network counts as one address. " +
		"0 means no limit, neither per address nor per user.",
	"max_bytes":         "Size of the log. The oldest messages are deleted first. Default 10GB, with --data none 256MB.",
	"max_age":           "How long to keep messages, for example 720h. 0 keeps them for ever.",
	"max_room_messages": "Messages kept per room. 0 means no limit.",
	"log_format":        "Format of the server's own log on standard error. Default text.",
	"log_level": "Lowest level that is logged. Refused connections are logged as info, warn or error, at most one line a second of " +
		"each kind. Default info.",
}

type serveCommand struct {
	Listen       string `placeholder:"HOST:PORT|unix:PATH|systemd:" help:"${listen}"`
	Data         string `default:"./data" placeholder:"DIR" help:"${data} Default ${default}."`
	Fsync        string `enum:",always,interval" default:"" placeholder:"always|interval" help:"${fsync}"`
	natsFlags    `embed:""`
	NewEpoch     bool     `help:"${new_epoch}"`
	Replicas     int      `default:"1" placeholder:"N" help:"${replicas} Default ${default}."`
	AllowOrigin  []string `placeholder:"ORIGIN" help:"${allow_origin}"`
	authFlags    `embed:""`
	tlsFlags     `embed:""`
	HSTS         bool     `name:"hsts" help:"${hsts}"`
	APITokens    string   `name:"api-tokens" placeholder:"FILE" help:"${api_tokens}"`
	TrustedProxy []string `placeholder:"ADDRESS" help:"${trusted_proxy}"`
	Rate         float64  `default:"10" placeholder:"N" help:"${rate} Default ${default}."`

	BasePath web.BasePath `placeholder:"/PATH" help:"${base_path}"`

	MaxConnsPerAddress int `default:"100" placeholder:"N" help:"${max_conns_per_address} Default ${default}."`

	MaxBytes        byteSize      `placeholder:"SIZE" help:"${max_bytes}"`
	MaxAge          time.Duration `default:"0" placeholder:"DURATION" help:"${max_age} Default ${default}."`
	MaxRoomMessages int64         `default:"0" placeholder:"N" help:"${max_room_messages} Default ${default}."`

	ApplySettings bool `help:"${apply_settings}"`

	// LogFormat was called --log in 0.1.0.
	LogFormat string `aliases:"log" env:"WEBSOCKETS_LOG_FORMAT,WEBSOCKETS_LOG" default:"text" enum:"text,json" placeholder:"text|json" help:"${log_format}"`
	LogLevel  string `default:"info" enum:"debug,info,warn,error" placeholder:"debug|info|warn|error" help:"${log_level}"`
}

// check returns an error if flags contradict each other.
func (s *serveCommand) check() error {
	switch err := s.authFlags.check(); {
	case err != nil:
		return err
	case s.NATS != "" && s.Fsync != "":
		return errors.New("--fsync cannot be used with --nats: the NATS servers decide when to sync")
	case s.Data == inMemory && (s.NATS != "" || s.Fsync != "" || s.NewEpoch || s.ApplySettings):
		return errors.New("--data none stores nothing: it cannot be used with --nats, --fsync, --new-epoch or --apply-settings")
	case s.NATS == "" && s.Replicas != 1:
		return errors.New("--replicas requires --nats")
	case s.MaxAge != 0 && s.MaxAge < eventlog.MinMaxAge:
		return fmt.Errorf("--max-age=%v is too short, the minimum is %v: duplicates must be detected for that long",
			s.MaxAge, eventlog.MinMaxAge)
	}
	return s.natsFlags.check()
}

// byteSize is a number of bytes, written like 500MB, 10GB or 1TB.
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
		return fmt.Errorf("%q is too small: the minimum is 64MB", text)
	}
	return nil
}
