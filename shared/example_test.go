package shared_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"websockets/shared"
)

// A side registers a handler for each event type that it receives. The handler receives
// the payload decoded and validated; a handler of another payload does not compile. The
// type parameter of the registry is what a handler is told about the sender, here their
// name.
func ExampleOn() {
	server := shared.NewRegistry[string](shared.ToServer)
	shared.On(server, shared.SendMessage, func(ctx context.Context, peer string, p shared.SendMessagePayload) error {
		fmt.Printf("%s says %q\n", peer, p.Message)
		return nil
	})

	frame := []byte(`{"type":"send_message","payload":{"message":"hi"},"id":"m1"}`)
	event, err := shared.DecodeEvent(frame)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := server.Route(context.Background(), "Ann", event); err != nil {
		fmt.Println(err)
	}
	// Output:
	// Ann says "hi"
}

// An invalid event results in a *shared.Error: a code for programs and a sentence for
// people, as an error event carries them.
func ExampleRegistry_Route() {
	server := shared.NewRegistry[string](shared.ToServer)
	shared.On(server, shared.SendMessage, func(ctx context.Context, peer string, p shared.SendMessagePayload) error {
		return errors.New("the disk is full") // the handler's own error comes back as it is
	})

	for _, frame := range []string{
		`{"type":"nonsense","payload":{}}`,
		`{"type":"send_message","payload":{"message":7}}`,
		`{"type":"send_message","payload":{"message":""}}`,
		`{"type":"send_message","payload":{"message":"hi","room":"../x"}}`,
		`{"type":"send_message","payload":{"message":"hi"}}`,
	} {
		event, _ := shared.DecodeEvent([]byte(frame))
		err := server.Route(context.Background(), "Ann", event)

		var wrong *shared.Error
		if errors.As(err, &wrong) {
			fmt.Printf("%-12s %s\n", wrong.Code, wrong.Message)
		} else {
			fmt.Println("not told:   ", err)
		}
	}
	// Output:
	// unknown_type unknown event type "nonsense"
	// bad_payload  send_message: the field "message" must not be a JSON number
	// bad_message  the message is empty
	// bad_room     a room name has 1 to 64 characters: a-z, 0-9, - and _
	// not told:    the disk is full
}

// Check is called once at startup. It names each event type without a handler.
func ExampleRegistry_Check() {
	server := shared.NewRegistry[string](shared.ToServer)
	shared.On(server, shared.JoinRoom, func(ctx context.Context, peer string, p shared.JoinPayload) error { return nil })
	// … and no other.

	for line := range strings.Lines(server.Check().Error()) {
		fmt.Print(line)
		break
	}
	// Output:
	// the event type change_room (to server) has no handler on this side: register one with shared.On
}

// A Type writes the frames of its event and reads their payloads back.
func ExampleType() {
	frame := shared.ChangeRoom.Frame("c1", shared.JoinPayload{Name: "lobby"})
	fmt.Printf("%s\n", frame)

	event, err := shared.DecodeEvent(frame)
	if err != nil {
		fmt.Println(err)
		return
	}
	payload, err := shared.ChangeRoom.Decode(event)
	fmt.Println(event.Type, event.ID, payload.Name, err)
	// Output:
	// {"type":"change_room","payload":{"name":"lobby"},"id":"c1"}
	// change_room c1 lobby <nil>
}

// DecodeEvent is strict: it refuses frames that two programs could read differently.
func ExampleDecodeEvent() {
	for _, frame := range []string{
		`{"type":"ping"`,
		`{"type":"ping"}{"type":"ping"}`,
		`{"type":"ping","ty\u0070e":"send_message"}`,
		`{"type":"ping","id":"not one"}`,
	} {
		_, err := shared.DecodeEvent([]byte(frame))
		fmt.Println(err)
	}
	// Output:
	// bad_json: invalid JSON: unexpected end
	// bad_json: a frame contains one event: there is more data at byte 15
	// bad_json: duplicate key "ty\\u0070e"
	// bad_id: an id has 1 to 64 characters: A-Z, a-z, 0-9, - and _
}
