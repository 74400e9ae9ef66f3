package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"websockets/server/bench"
)

const benchHelp = `Load a server with real clients and check every delivery.

The messages go to rooms of the run's own, bench-…, and stay in the log of these. Each latency counts from when the message was due, so it tells of a server that holds senders up. What was lost, doubled or misordered is counted, and then the exit code is 1. Ctrl-C ends the load early.

A server holds one address to 100 connections and 200 events a second: the defaults stay within that. For more, start the server that is measured with --max-conns-per-address 0 --rate 0.

The server's memory and CPU are told if it runs on this machine and /proc can be read. Then the two share its cores: measure from another machine to know what the server can do.`

// benchFlagHelp are the longer texts of benchCommand's flags, which their tags name.
var benchFlagHelp = kong.Vars{
	"bench_url": "The server's address: http, https, ws or wss.",
	"bench_rate": "Messages a second of all senders together, sent when they are due whatever becomes of the ones before. " +
		"0: as fast as they are delivered, see --in-flight.",
	"bench_in_flight": "With --rate 0: how many messages each sender keeps under way; one is until it is acked and every member that " +
		"reads has it.",
	"bench_senders": "How many of the connections send. Default: all that read, at most 1000 in a room; with --rate 0 one a room, " +
		"at least 4.",
	"bench_slow": "How many connections stop reading during the load; afterwards they read to the end " +
		"and must have missed nothing.",
	"bench_token": "What the server takes instead of a guest, for --auth=jwt; its user may be in the rooms bench-*. " +
		"Better in the environment as WEBSOCKETS_TOKEN, where other users of this machine do not see it.",
}

// benchCommand's flags are named as serve's, so only the token is taken from the
// environment.
type benchCommand struct {
	URL         string        `arg:"" optional:"" default:"http://127.0.0.1:8080" help:"${bench_url} Default ${default}."`
	Connections int           `env:"-" default:"100" placeholder:"N" help:"Connections, spread over the rooms. Default ${default}."`
	Rooms       int           `env:"-" default:"1" placeholder:"N" help:"Rooms. Default ${default}."`
	Rate        float64       `env:"-" default:"100" placeholder:"N" help:"${bench_rate} Default ${default}."`
	InFlight    int           `env:"-" default:"16" placeholder:"N" help:"${bench_in_flight} Default ${default}."`
	Senders     int           `env:"-" default:"0" placeholder:"N" help:"${bench_senders}"`
	Slow        int           `env:"-" default:"0" placeholder:"N" help:"${bench_slow} Default ${default}."`
	Duration    time.Duration `env:"-" default:"10s" placeholder:"DURATION" help:"How long messages are sent. Default ${default}."`
	Size        int           `env:"-" default:"128" placeholder:"BYTES" help:"Length of a message's text. Default ${default}."`
	Token       string        `placeholder:"TOKEN" help:"${bench_token}"`
}

// Run measures, prints what came of it, and returns an error if anything was not
// as promised.
func (b *benchCommand) Run(ctx context.Context, stdout stdoutWriter, stderr stderrWriter) error {
	context.AfterFunc(ctx, func() { signal.Reset(os.Interrupt, syscall.SIGTERM) }) // the second Ctrl-C is for good
	result, err := bench.Run(ctx, bench.Options{
		URL: b.URL, Token: b.Token, Connections: b.Connections, Rooms: b.Rooms, Senders: b.Senders, Slow: b.Slow,
		Rate: b.Rate, InFlight: b.InFlight, Duration: b.Duration, Size: b.Size,
	}, &bench.Progress{W: stderr, Terminal: isTerminal(stderr.Writer)})
	if err != nil {
		return err
	}
	result.Print(stdout)
	return result.Err()
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
