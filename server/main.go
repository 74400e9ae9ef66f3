package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"websockets/static"
)

const description = `A chat server: typed events over WebSocket. Every message is stored in a durable log before it is acked, and every client resumes from its position in the log.

Start it and open the address it prints. All state is in the --data folder. Stop it with Ctrl-C.

Every flag can also be set in the environment: --listen is WEBSOCKETS_LISTEN.

To load a running server and measure it, see websockets bench --help.`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main with its environment as arguments. It returns the exit code.
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
		serveHelp, natsHelp, authHelp, benchFlagHelp,
		kong.UsageOnError(),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exit = code }),
		kong.ConfigureHelp(kong.HelpOptions{WrapUpperBound: 100}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(assets),
		kong.Bind(stdoutWriter{stdout}, stderrWriter{stderr}),
	)
	if len(args) == 1 && (args[0] == "--help" || args[0] == "-h") {
		args = []string{"serve", "--help"} // the flags of the default command
	}
	parsed, err := parser.Parse(args)
	switch {
	case exit >= 0: // --help or --version
		return exit
	case err != nil:
		fmt.Fprintf(stderr, "websockets: %s (see --help)\n", withoutSecrets(err.Error(), args))
		return 2
	}
	if err := parsed.Run(); err != nil {
		fmt.Fprintln(stderr, "websockets:", err)
		return 1
	}
	return 0
}

// withoutSecrets removes the users, passwords and tokens of addresses among the arguments
// from an error about the arguments.
func withoutSecrets(text string, args []string) string {
	for _, arg := range args {
		end := strings.LastIndex(arg, "@")
		if end < 0 {
			continue
		}
		_, address, found := strings.Cut(arg[:end], "://")
		if !found { // a flag's value, or an argument
			address = arg[strings.Index(arg[:end], "=")+1 : end]
		}
		if address != "" {
			text = strings.ReplaceAll(text, address+"@", "…@")
		}
	}
	return text
}

// stdoutWriter receives results, stderrWriter the log.
type (
	stdoutWriter struct{ io.Writer }
	stderrWriter struct{ io.Writer }
)
