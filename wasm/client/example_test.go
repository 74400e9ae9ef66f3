package client_test

import (
	"context"
	"errors"
	"fmt"

	"websockets/shared"
	"websockets/wasm/client"
)

// A program that writes one message, waits until the server has it on disk, and
// leaves.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	c, err := client.New(client.Config{
		URL:  "ws://localhost:8080/ws",
		Dial: exampleServer, // leave it out to dial for real
		Room: "kitchen",
		OnMessage: func(m shared.Message) {
			fmt.Printf("%s in %s: %s\n", m.From, m.Room, m.Message)
		},
		OnAck: func(string, shared.AckPayload) { stop() },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	// Send works before there is a connection: the message waits in the outbox.
	if _, err := c.Send("", "Dinner is ready"); err != nil {
		fmt.Println(err)
		return
	}
	if err := c.Run(ctx); !errors.Is(err, context.Canceled) {
		fmt.Println(err)
	}
	// Output:
	// Ann in kitchen: Dinner is ready
}

// A View holds all there is to show, with or without a connection.
func ExampleClient_View() {
	c, err := client.New(client.Config{URL: "ws://localhost:8080/ws"})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := c.Send("", "written on the train"); err != nil {
		fmt.Println(err)
		return
	}
	v := c.View()
	fmt.Printf("%s, in %s, %d queued\n", v.State, v.Current, v.Queued)
	for _, m := range v.Room.Messages {
		fmt.Println(m.From, m.Message)
	}
	for _, p := range v.Room.Outgoing {
		fmt.Printf("%s (%s)\n", p.Text, p.State)
	}
	// Output:
	// connecting, in general, 1 queued
	// written on the train (pending)
}

// Call sends an event of the catalogue and waits for its answer.
func ExampleCall() {
	c, err := client.New(client.Config{URL: "ws://localhost:8080/ws"})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = client.Call(context.Background(), c,
		shared.ListRooms, shared.ListRoomsPayload{Filter: "kit"}, shared.Rooms)
	var refused *shared.Error
	switch {
	case errors.As(err, &refused):
		fmt.Println("the server said", refused.Code)
	case err != nil:
		fmt.Println(err)
	}
	// Output:
	// client: not connected
}

// exampleServer answers in memory, like a server whose log is empty.
func exampleServer(context.Context, string, string) (client.Conn, error) {
	s := &memory{frames: make(chan []byte, 8), closed: make(chan struct{})}
	start := shared.Cursor{Epoch: "e"}
	s.frames <- shared.Welcome.Frame("", shared.WelcomePayload{User: "u1", Name: "Ann", Heartbeat: 25})
	s.frames <- shared.RoomJoined.Frame("", shared.RoomJoinedPayload{Room: "kitchen", Cursor: start, State: shared.StateNew})
	s.frames <- shared.Synced.Frame("", shared.SyncedPayload{Room: "kitchen", Cursor: start})
	return s, nil
}

type memory struct {
	frames chan []byte
	closed chan struct{}
}

func (s *memory) Read(context.Context) ([]byte, error) {
	select {
	case frame := <-s.frames:
		return frame, nil
	case <-s.closed:
		return nil, errors.New("closed")
	}
}

func (s *memory) Write(_ context.Context, frame []byte) error {
	e, err := shared.DecodeEvent(frame)
	if err != nil {
		return err
	}
	if p, err := shared.SendMessage.Decode(e); err == nil {
		s.frames <- shared.NewMessage.Frame("", shared.Message{Seq: 1, ID: e.ID, Room: p.Room, User: "u1", From: "Ann", Message: p.Message})
		s.frames <- shared.Ack.Frame(e.ID, shared.AckPayload{Room: p.Room, Seq: 1})
	}
	return nil
}

func (s *memory) Close(int, string) error {
	close(s.closed)
	return nil
}
