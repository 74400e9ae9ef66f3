package client

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"websockets/shared"
	"websockets/wasm/client/conn"
)

func TestCall(t *testing.T) {
	type answer struct {
		rooms shared.RoomsPayload
		err   error
	}
	for _, test := range []struct {
		name   string
		answer func(h *harness, p *peer, id string)
		check  func(answer) bool
	}{
		{"answered", func(_ *harness, p *peer, id string) {
			reply(p, shared.Rooms, "another", shared.RoomsPayload{})
			reply(p, shared.Rooms, id, shared.RoomsPayload{Rooms: []shared.RoomSummary{{Name: "a"}}})
		}, func(a answer) bool { return a.err == nil && len(a.rooms.Rooms) == 1 }},
		{"refused", func(_ *harness, p *peer, id string) {
			reply(p, shared.Failed, id, shared.Error{Code: shared.CodeRateLimited, Message: "slow", RetryAfter: 2})
		}, func(a answer) bool {
			var e *shared.Error
			return errors.As(a.err, &e) && e.Code == shared.CodeRateLimited && e.RetryAfter == 2
		}},
		{"answered with something else", func(_ *harness, p *peer, id string) {
			reply(p, shared.Ack, id, shared.AckPayload{})
		}, func(a answer) bool { return a.err != nil && strings.Contains(a.err.Error(), "ack instead of rooms") }},
		{"disconnected", func(_ *harness, p *peer, _ string) { p.drop() },
			func(a answer) bool { return a.err == ErrDisconnected }},
		{"stopped", func(h *harness, _ *peer, _ string) { h.cancel() },
			func(a answer) bool { return a.err == ErrDisconnected }},
		{"too late", func(*harness, *peer, string) {},
			func(a answer) bool { return a.err == context.DeadlineExceeded }},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := start(t)
				p := h.connect()
				answers := make(chan answer)
				go func() {
					ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
					defer cancel()
					rooms, err := Call(ctx, h.Client, shared.ListRooms, shared.ListRoomsPayload{}, shared.Rooms)
					answers <- answer{rooms, err}
				}()
				id, _ := expect(p, shared.ListRooms)
				test.answer(h, p, id)
				if a := <-answers; !test.check(a) {
					t.Errorf("Call: got %+v, %v, want what belongs to %q", a.rooms, a.err, test.name)
				}
				if _, n := h.left(); n != 0 {
					t.Errorf("calls left: got %d, want none", n)
				}
			})
		})
	}
}

func TestCallWithoutAConnection(t *testing.T) {
	c, err := New(Config{URL: "ws://chat.test/ws"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetName(t.Context(), "Ann"); err != ErrDisconnected {
		t.Errorf("SetName: got %v, want %v", err, ErrDisconnected)
	}
	var refused *shared.Error
	if err := c.SetName(t.Context(), " "); !errors.As(err, &refused) || refused.Code != shared.CodeBadName {
		t.Errorf("SetName of a blank: got %v, want %s", err, shared.CodeBadName)
	}
	if err := c.SendEvent("ping", nil); err != ErrDisconnected {
		t.Errorf("SendEvent: got %v, want %v", err, ErrDisconnected)
	}
	if err := c.LoadOlder(t.Context(), "general"); err != ErrNoRoom {
		t.Errorf("LoadOlder: got %v, want %v", err, ErrNoRoom)
	}
}

func TestCallsAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		h.connect()
		ctx, cancel := context.WithCancel(t.Context())
		for range conn.MaxCalls {
			go func() { _, _ = h.ListRooms(ctx, "") }()
		}
		synctest.Wait()
		if _, err := h.ListRooms(ctx, ""); err != ErrBusy {
			t.Errorf("one call too many: got %v, want %v", err, ErrBusy)
		}
		cancel()
	})
}

func TestSetName(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		done := make(chan error)
		go func() { done <- h.SetName(context.Background(), "Ann") }()
		id, _ := expect(p, shared.SetName)
		reply(p, shared.Ack, id, shared.AckPayload{})
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if me := h.View().Me; me != (Me{User: "me", Name: "Ann", Named: true}) {
			t.Errorf("Me: got %+v, want the user me, named Ann", me)
		}
	})
}

func TestSendEvent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		if err := h.SendEvent("send_message", map[string]any{"message": "hi"}); err != nil {
			t.Fatal(err)
		}
		id, m := expect(p, shared.SendMessage)
		if m.Message != "hi" || h.stateOf(id) != Pending {
			t.Errorf("send_message: got %+v, want hi and it in the outbox", m)
		}
		if err := h.SendEvent("no_such_thing", json.RawMessage(`{"a":"<b>"}`)); err != nil {
			t.Fatal(err)
		}
		if e := p.next(); e.Type != "no_such_thing" || string(e.Payload) != `{"a":"<b>"}` || e.ID == "" {
			t.Errorf("sent: got %s %s, id %q, want no_such_thing with its payload and an id", e.Type, e.Payload, e.ID)
		} else {
			reply(p, shared.Failed, e.ID, shared.Error{Code: shared.CodeUnknownType, Message: "no"})
		}
		synctest.Wait()
		if last := h.View().LastError; last == nil || last.Code != shared.CodeUnknownType {
			t.Errorf("last error: got %v, want %s", last, shared.CodeUnknownType)
		}
		if err := h.SendEvent("ping", strings.Repeat("x", shared.MaxFrameBytes)); err == nil {
			t.Error("SendEvent of a frame that is too long: got no error, want one")
		}
		for _, bad := range []any{"text", map[string]any{"message": ""}, map[string]any{"message": 1}, func() {}} {
			if err := h.SendEvent("send_message", bad); err == nil {
				t.Errorf("SendEvent of send_message with %v: got no error, want one", bad)
			}
		}
		if err := h.SendEvent("change_room", map[string]any{"name": "other"}); err != nil {
			t.Fatal(err)
		}
		expect(p, shared.ChangeRoom)
		if v := h.View(); v.Current != "other" {
			t.Errorf("current room: got %s, want other", v.Current)
		}
		if err := h.SendEvent("join_room", map[string]any{"name": "third"}); err != nil {
			t.Fatal(err)
		}
		expect(p, shared.JoinRoom)
		// The pipe and the egress together hold no more, however fast the writer is.
		most := cap(p.toServer) + conn.EgressLength + 1
		for n, err := 0, error(nil); err != ErrBusy; n, err = n+1, h.SendEvent("typing", nil) {
			if err != nil || n > most {
				t.Fatalf("flood of events: got %v after %d, want %v after %d at most", err, n, ErrBusy, most)
			}
		}
	})
}

func TestOnFrame(t *testing.T) {
	bubble(t, func(t *testing.T) {
		type frame struct {
			sent bool
			kind string
		}
		var frames []frame
		h := start(t, func(_ *harness, c *Config) {
			c.OnFrame = func(f Frame) {
				e, err := shared.DecodeEvent(f.Text)
				if err != nil {
					t.Error(err)
				}
				frames = append(frames, frame{f.Sent, e.Type})
			}
		})
		p := h.connect()
		h.send("hello")
		expect(p, shared.SendMessage)
		synctest.Wait()
		want := []frame{{false, "welcome"}, {false, "room_joined"}, {false, "synced"}, {true, "send_message"}}
		if len(frames) != len(want) {
			t.Fatalf("frames: got %v, want %v", frames, want)
		}
		for i := range want {
			if frames[i] != want[i] {
				t.Errorf("frame %d: got %v, want %v", i, frames[i], want[i])
			}
		}
	})
}

// The frames of a newer or broken server do not stop the client.
func TestStrangeFrames(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		for _, frame := range []string{
			`{"type":"from_the_future","payload":{"x":1},"id":"abc"}`, `{"type":"send_message","payload":{}}`,
			`{"type":"new_message","payload":{"seq":"one"}}`, `{`, ``, `null`, "\x00",
			`{"type":"new_message","payload":{"seq":9,"room":"unknown"}}`, `{"type":"synced","payload":{"room":"unknown"}}`,
			`{"type":"ack","id":"nobody"}`, `{"type":"left","payload":{"name":"unknown"}}`,
		} {
			p.toClient <- []byte(frame)
		}
		p.message("general", 1, "you", "m1")
		h.wantSeen("m1")
		if v := h.View(); v.State != Online || v.LastError == nil {
			t.Errorf("view: got %s, last error %v, want %s and an error", v.State, v.LastError, Online)
		}
		p.quiet()
	})
}

func TestNewReportsInvalidConfig(t *testing.T) {
	for _, config := range []Config{
		{}, {URL: "chat.test/ws"}, {URL: "http://chat.test/ws"}, {URL: "ws:///ws"}, {URL: "ws://chat.test/ws", Room: "../x"}, {URL: "ws://%zz"},
	} {
		if _, err := New(config); err == nil {
			t.Errorf("New(%+v): got no error, want one", config)
		}
	}
}

func TestEveryServerEventHasHandler(t *testing.T) {
	if err := setupEventHandlers().Check(); err != nil {
		t.Error(err)
	}
}
