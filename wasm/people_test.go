//go:build !js

package main

import (
	"fmt"
	"testing"
	"time"

	"websockets/server/servertest"
	"websockets/shared"
)

// person writes into a room without a page. They read all the time, as who answers
// pings has to.
type person struct {
	conn    *servertest.Conn
	acks    chan struct{} // one for each message that is in the log
	err     error         // why they read no more; set before acks is closed
	unacked int           // messages; owned by the writer
}

// enter connects a person to a room, whom everybody sees leave when the test ends.
func enter(t *testing.T, server *servertest.Process, room, name string) *person {
	t.Helper()
	p := &person{conn: dialNamed(t, server, room, name), acks: make(chan struct{}, 10_000)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.read()
	}()
	t.Cleanup(func() {
		servertest.Close(p.conn)
		<-ended
	})
	return p
}

func (p *person) read() {
	for {
		frame, err := p.conn.Next()
		if err != nil {
			p.err = err
			close(p.acks)
			return
		}
		if _, ok := servertest.AckIn(frame); ok {
			p.acks <- struct{}{}
		}
	}
}

// write sends a message and does not wait for it.
func (p *person) write(text string) {
	p.conn.T.Helper()
	servertest.Send(p.conn, shared.SendMessage, shared.SendMessagePayload{Message: text})
	p.unacked++
}

// settle returns when all that was written is in the log.
func (p *person) settle() {
	p.conn.T.Helper()
	for ; p.unacked > 0; p.unacked-- {
		select {
		case _, ok := <-p.acks:
			if !ok {
				p.conn.T.Fatalf("waiting for the acks of %d messages: %v", p.unacked, p.err)
			}
		case <-time.After(servertest.Patience):
			p.conn.T.Fatalf("waited %v for the acks of %d messages", servertest.Patience, p.unacked)
		}
	}
}

// say sends messages and returns when they are in the log.
func (p *person) say(texts ...string) {
	p.conn.T.Helper()
	for _, text := range texts {
		p.write(text)
	}
	p.settle()
}

// dialNamed connects to a room under a name and waits until it is there.
func dialNamed(t *testing.T, server *servertest.Process, room, name string) *servertest.Conn {
	t.Helper()
	c := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: room})
	servertest.Await(c, shared.Synced)
	if _, err := servertest.Ask(c, shared.SetName, shared.SetNamePayload{Name: name}, shared.Ack); err != nil {
		t.Fatalf("%s gets no name: %v", name, err)
	}
	return c
}

// fill puts n messages of several people into a room and returns their texts in the
// order of the log. The first is "the very first", the last "the very last".
func fill(t *testing.T, server *servertest.Process, room string, n int) []string {
	t.Helper()
	var writers []*servertest.Conn
	for i := range 4 {
		writers = append(writers, dialNamed(t, server, room, fmt.Sprint("Writer ", i)))
	}
	defer servertest.Close(writers...)
	edge := func(text, name string) {
		if _, err := writers[0].Flood(room, name, 1, 1, func(string) string { return text }); err != nil {
			t.Fatal(err)
		}
	}
	said := func(id string) string { return "message " + id + " of a long conversation about nothing in particular" }
	edge("the very first", "first")
	stored := servertest.FloodRoom(t, writers, room, "fill", n-2, 100, said)
	edge("the very last", "last")
	texts := []string{"the very first"}
	for _, id := range servertest.IDs(stored) {
		texts = append(texts, said(id))
	}
	return append(texts, "the very last")
}
