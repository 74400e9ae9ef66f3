// The websockets server: a room chat of typed events over WebSocket, every
// message in a durable log, in one binary.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"websockets/static"
)

const description = `A room chat of typed events over WebSocket. Every message is in a durable log, every connection is a cursor into it.

Start it and open the address it prints. All state is in the --data folder; stop it with Ctrl-C.

Every flag can be set in the environment too: --listen is WEBSOCKETS_LISTEN.

websockets bench loads a server that runs, and tells what it can take: websockets bench --help.`

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
		serveHelp, authHelp, benchFlagHelp,
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
