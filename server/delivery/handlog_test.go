package delivery

import (
	"context"
	"testing"

	"websockets/server/eventlog"
	"websockets/server/eventlog/memlog"
	"websockets/server/timeline"
	"websockets/shared"
)

// handLog is a log that delivers nothing by itself: tests call its subscribers. Reading
// returns what was stored.
type handLog struct {
	eventlog.Log
	subscribers map[string]eventlog.Subscriber // by room
}

func newHandLog(options memlog.Options) *handLog {
	return &handLog{Log: memlog.Open(options), subscribers: map[string]eventlog.Subscriber{}}
}

func (l *handLog) Subscribe(_ context.Context, room string, s eventlog.Subscriber) (eventlog.Subscription, error) {
	l.subscribers[room] = s
	s.Start("e", eventlog.Record{Room: room})
	return handSubscription{}, nil
}

type handSubscription struct{}

func (handSubscription) Trusted() bool { return true }
func (handSubscription) Close()        {}

// open returns a room on the log. grown is called as Options.Grown of its timeline.
func (l *handLog) open(t testing.TB, room string, grown func()) *Source {
	t.Helper()
	tl, err := timeline.Open(t.Context(), timeline.Options{
		Room: room, Log: l, Memory: new(timeline.Memory),
		Grown: grown, Reset: func() {}, Signal: func([]byte) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &Source{Room: room, Timeline: tl, Truncated: func(at shared.Cursor, gone shared.Truncated) []byte {
		return shared.RoomJoined.Frame("", shared.RoomJoinedPayload{
			Room: room, Cursor: at, State: shared.StateTruncated, Truncated: &gone,
		})
	}}
}

// append delivers a record to a room's timeline, without a flush.
func (l *handLog) append(room string, seq uint64, body []byte) {
	l.subscribers[room].Append(eventlog.Record{Room: room, Seq: seq, Body: body})
}

// store puts a record into the log, and delivers it to nobody.
func (l *handLog) store(t testing.TB, room string, body []byte) {
	t.Helper()
	err := l.Append(t.Context(), room, string(body), body, func(eventlog.Receipt, error) {})
	if err != nil {
		t.Fatal(err)
	}
}
