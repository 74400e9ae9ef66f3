package shared

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// everything returns a registry with a handler that does nothing for each event type of
// this direction, except the named ones.
func everything(receives Direction, except ...string) *Registry[any] {
	r := NewRegistry[any](receives)
	done := slices.Clone(except)
	for _, g := range goldens() {
		if g.spec.Direction == receives && !slices.Contains(done, g.spec.Name) {
			g.ignore(r)
			done = append(done, g.spec.Name)
		}
	}
	return r
}

// Check names the one event type without a handler, and nothing else.
func TestCheckNamesMissingHandler(t *testing.T) {
	for _, spec := range Catalogue() {
		err := everything(spec.Direction, spec.Name).Check()
		want := fmt.Sprintf("the event type %s (%s) has no handler on this side: register one with shared.On", spec.Name, spec.Direction)
		if err == nil || err.Error() != want {
			t.Errorf("without %s (%s):\n got %v\nwant %s", spec.Name, spec.Direction, err, want)
		}
	}
	for _, direction := range []Direction{ToServer, ToClient} {
		if err := everything(direction).Check(); err != nil {
			t.Errorf("Check with all handlers %s: got %v, want no error", direction, err)
		}
	}
}

func TestCheckNamesEveryMissingHandler(t *testing.T) {
	err := NewRegistry[any](ToServer).Check()
	for _, spec := range Catalogue() {
		if named := strings.Contains(fmt.Sprint(err), "event type "+spec.Name+" ("+string(spec.Direction)+")"); named != (spec.Direction == ToServer) {
			t.Errorf("%s (%s) named by Check: got %v, want %v", spec.Name, spec.Direction, named, !named)
		}
	}
}

func TestCheckNamesDuplicateHandler(t *testing.T) {
	r := everything(ToServer)
	called := ""
	On(r, Ping, func(context.Context, any, Empty) error { called = "the second"; return nil })
	if err := r.Check(); err == nil || err.Error() != "ping has two handlers" {
		t.Errorf("Check: got %v, want ping has two handlers", err)
	}
	if err := r.Route(t.Context(), nil, Event{Type: "ping"}); err != nil || called != "" {
		t.Errorf("Route: got %q called, %v, want the first handler", called, err)
	}
}

func TestCheckNamesWrongDirection(t *testing.T) {
	r := everything(ToServer)
	On(r, Welcome, func(context.Context, any, WelcomePayload) error { return nil })
	if err := r.Check(); err == nil || err.Error() != "welcome is sent to client: this side never receives it" {
		t.Errorf("Check: got %v, want that welcome goes to the client", err)
	}
	if e := told(t, r.Route(t.Context(), nil, Event{Type: "welcome"})); e.Code != CodeUnknownType {
		t.Errorf("welcome from a client: got %v, want %s", e, CodeUnknownType)
	}

	// typing exists in both directions, with one handler on each side.
	r = everything(ToServer, "typing")
	On(r, Typing, func(context.Context, any, TypingPayload) error { return nil })
	if err := r.Check(); err == nil || strings.Count(err.Error(), "typing") != 2 {
		t.Errorf("the typing of the other direction: got %v, want the wrong one and the missing one", err)
	}
}

func TestRouteRefusesUnknownTypes(t *testing.T) {
	for _, name := range []string{"", "never_heard", "Send_Message", "send_message ", "new_message", "\x00"} {
		e := told(t, everything(ToServer).Route(t.Context(), nil, Event{Type: name}))
		if e.Code != CodeUnknownType || !strings.Contains(e.Message, fmt.Sprintf("%q", name)) {
			t.Errorf("Route(%q): got %v, want %s with the name", name, e, CodeUnknownType)
		}
	}
}

func TestRouteCallsHandler(t *testing.T) {
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "of the caller")
	r := NewRegistry[string](ToServer)
	var got string
	On(r, SendMessage, func(ctx context.Context, peer string, p SendMessagePayload) error {
		got = fmt.Sprintf("%v, %s, %+v", ctx.Value(key{}), peer, p)
		return nil
	})
	event, err := DecodeEvent(SendMessage.Frame("", SendMessagePayload{Room: "lobby", Message: "hi"}))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Route(ctx, "Ann", event); err != nil {
		t.Fatal(err)
	}
	if want := "of the caller, Ann, {Room:lobby Message:hi}"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRouteReturnsHandlerError(t *testing.T) {
	full := errors.New("the disk is full")
	r := NewRegistry[any](ToServer)
	On(r, Ping, func(context.Context, any, Empty) error { return full })
	On(r, SendMessage, func(context.Context, any, SendMessagePayload) error { return Errorf(CodeNotMember, "join first") })
	if err := r.Route(t.Context(), nil, Event{Type: "ping"}); err != full {
		t.Errorf("Route: got %v, want %v", err, full)
	}
	err := r.Route(t.Context(), nil, Event{Type: "send_message", Payload: []byte(`{"message":"hi"}`)})
	if told(t, err).Code != CodeNotMember {
		t.Errorf("Route: got %v, want %s", err, CodeNotMember)
	}
}

// A handler is not called with a payload that its Validate refuses.
func TestRouteRefusesBadPayload(t *testing.T) {
	r := NewRegistry[any](ToServer)
	On(r, SendMessage, func(_ context.Context, _ any, p SendMessagePayload) error {
		t.Errorf("handler: got a call with %+v, want none", p)
		return nil
	})
	for payload, code := range map[string]string{`{"message":7}`: CodeBadPayload, `[]`: CodeBadPayload, `{"message":""}`: CodeBadMessage, `{"message":"hi","room":"*"}`: CodeBadRoom} {
		err := r.Route(t.Context(), nil, Event{Type: "send_message", Payload: []byte(payload)})
		if e := told(t, err); e.Code != code {
			t.Errorf("%s: got %v, want %s", payload, e, code)
		}
	}
}

// All connections share one registry; the race detector checks that.
func TestRouteFromManyGoroutines(t *testing.T) {
	r := everything(ToServer)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for _, g := range goldens() {
				event := Event{Type: g.spec.Name, Payload: []byte(`{}`)}
				_ = r.Route(t.Context(), nil, event)
				_ = r.Check()
			}
		})
	}
	all.Wait()
}
