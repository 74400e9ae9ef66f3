package chat

import (
	"context"
	"strings"
	"testing"
	"time"

	"websockets/server/eventlog"
	"websockets/server/eventlog/memlog"
	"websockets/shared"
)

// handLog is a log whose subscribers a test serves by hand. What is read from it is
// what was appended to it.
type handLog struct {
	eventlog.Log
	subscribers map[string]eventlog.Subscriber // by room
}

func newHandLog() *handLog {
	return &handLog{Log: memlog.Open(memlog.Options{}), subscribers: map[string]eventlog.Subscriber{}}
}

func (l *handLog) Subscribe(_ context.Context, room string, s eventlog.Subscriber) (eventlog.Subscription, error) {
	l.subscribers[room] = s
	s.Start("e", eventlog.Record{Room: room})
	return handSubscription{}, nil
}

type handSubscription struct{}

func (handSubscription) Trusted() bool { return true }
func (handSubscription) Close()        {}

// openRoom returns a room on the log that nobody but the test wakes.
func (l *handLog) openRoom(t testing.TB, m *Manager, name string) *room {
	t.Helper()
	r := &room{manager: m, name: name, log: l}
	err := r.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// sampleMessage is a message as people write them: 80 characters.
func sampleMessage() shared.Message {
	return shared.Message{
		ID: "ZKQ7B4WX2N6M5T3RHJ8LYDPVGC", Room: "den", User: "g-3fXk29QpLmZ7", From: "Ann", Message: strings.Repeat("Hello! ", 11) + "Ann",
		Sent: time.Date(2025, 11, 23, 1, 2, 3, 456e6, time.UTC),
	}
}
