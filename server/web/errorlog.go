package web

import (
	"log"
	"log/slog"
	"strings"

	"websockets/server/loglimit"
	"websockets/shared"
)

// ErrorLog returns the ErrorLog of an http.Server: it logs failed TLS handshakes, handlers
// that panicked and what else net/http reports.
func ErrorLog(logger *slog.Logger) *log.Logger {
	return log.New(errorLog{loglimit.New(logger)}, "", 0)
}

// errorLog is given each report of net/http as a text, which is all that there is.
type errorLog struct{ logger *slog.Logger }

func (l errorLog) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	if rest, ok := strings.CutPrefix(text, "http: TLS handshake error from "); ok {
		from, reason, _ := strings.Cut(rest, ": ")
		l.handshakeFailed(from, reason)
		return len(line), nil
	}
	if rest, ok := strings.CutPrefix(text, "http: panic serving "); ok {
		from, rest, _ := strings.Cut(rest, ": ")
		reason, stack, _ := strings.Cut(rest, "\n")
		l.logger.Error("a request handler panicked", "from", from, "err", reason, "stack", stackLines(stack))
		return len(line), nil
	}
	l.logger.Warn("HTTP server", "text", text)
	return len(line), nil
}

// handshakeFailed logs a failed TLS handshake. A client that just goes away was not
// refused: health checks and port scans do that all the time.
func (l errorLog) handshakeFailed(from, reason string) {
	if reason == "EOF" || strings.HasSuffix(reason, "connection reset by peer") {
		l.logger.Debug("a client went away during the TLS handshake", "from", from, "err", reason)
		return
	}
	l.logger.Warn("TLS handshake failed", "from", from, "err", reason, "hint", handshakeHint(reason))
}

// handshakeHint says what to do about a TLS handshake that failed.
func handshakeHint(reason string) string {
	switch {
	case strings.Contains(reason, "HTTP request to an HTTPS server"), strings.Contains(reason, "does not look like a TLS handshake"):
		return "clients, and a proxy in front, have to use https://"
	case strings.Contains(reason, "remote error"):
		return "the client does not accept the certificate: check its names, its expiry and its chain in --tls-cert"
	case strings.Contains(reason, "version"), strings.Contains(reason, "cipher suite"):
		return "the client is too old: it has to support TLS 1.2"
	}
	return "if this is a proxy or a health check, it has to speak TLS to this port"
}

// maxStackLines and maxStackLine, in bytes, bound the stack of a panic in the log. What a
// handler panicked with may have lines of its own, which come first.
const (
	maxStackLines = 60
	maxStackLine  = 200
)

// stackLines returns the first lines of a stack.
func stackLines(stack string) (lines []string) {
	for line := range strings.Lines(stack) {
		if len(lines) == maxStackLines {
			break
		}
		lines = append(lines, shared.Clip(strings.TrimSpace(line), maxStackLine))
	}
	return lines
}
