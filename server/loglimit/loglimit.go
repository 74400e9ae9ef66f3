package loglimit

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Interval is the shortest time between two records with the same message.
const Interval = time.Second

// New returns a logger that writes to logger at most one record per Interval for each
// message. It writes the first one at once. Of those that follow within the Interval it
// writes the last one at the end, with the number of the others as left_out.
//
// The logger may be used from any goroutine, and so may logger.
func New(logger *slog.Logger) *slog.Logger {
	return slog.New(handler{logger.Handler(), &limits{paused: map[string]*pause{}}})
}

// handler implements slog.Handler. Its Enabled is that of the handler inside.
type handler struct {
	slog.Handler
	limits *limits // shared by all handlers that WithAttrs and WithGroup returned
}

// limits are the messages of which a record was written less than an Interval ago.
type limits struct {
	mu     sync.Mutex
	paused map[string]*pause // by message
}

// pause holds back records with one message. It is guarded by limits.mu.
type pause struct {
	last    slog.Record // that was held back
	handler slog.Handler
	held    int // how many records were held back
}

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	if h.limits.hold(h.Handler, r) {
		return nil
	}
	h.limits.resumeLater(r.Message)
	return h.Handler.Handle(ctx, r)
}

// hold reports whether it holds a record back. If not, it begins a pause.
func (l *limits) hold(handler slog.Handler, r slog.Record) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.paused[r.Message]
	if p == nil {
		l.paused[r.Message] = &pause{}
		return false
	}
	p.last, p.handler = r.Clone(), handler
	p.held++
	return true
}

func (l *limits) resumeLater(message string) {
	time.AfterFunc(Interval, func() { l.resume(message) })
}

// resume writes the last record that was held back in a pause, and begins the next pause
// then.
func (l *limits) resume(message string) {
	l.mu.Lock()
	p := *l.paused[message]
	if p.held == 0 {
		delete(l.paused, message)
	} else {
		l.paused[message] = &pause{}
	}
	l.mu.Unlock()
	if p.held == 0 {
		return
	}
	l.resumeLater(message)
	if p.held > 1 {
		p.last.AddAttrs(slog.Int("left_out", p.held-1))
	}
	_ = p.handler.Handle(context.Background(), p.last)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs), h.limits}
}

func (h handler) WithGroup(name string) slog.Handler {
	return handler{h.Handler.WithGroup(name), h.limits}
}
