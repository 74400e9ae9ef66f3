package servertest

import (
	"errors"
	"strings"

	"github.com/gorilla/websocket"

	"websockets/shared"
)

// Take returns the first event that matches, of those in the inbox and those
// still to come. All others stay in the inbox.
func (c *Conn) Take(what string, match func(shared.Event) bool) shared.Event {
	c.T.Helper()
	for i := 0; ; i++ {
		if i == len(c.inbox) {
			if err := c.receive(); err != nil {
				c.T.Fatalf("waiting for %s: %v; in the inbox: %s", what, err, c.names())
			}
		}
		if e := c.inbox[i]; match(e) {
			c.inbox = append(c.inbox[:i:i], c.inbox[i+1:]...)
			return e
		}
	}
}

// receive puts the next event of the wire into the inbox.
func (c *Conn) receive() error {
	frame, err := c.Next()
	if err != nil {
		return err
	}
	e, err := shared.DecodeEvent(frame)
	if err != nil {
		c.T.Errorf("got a frame that is not an event: %.200q: %v", frame, err)
	}
	c.inbox = append(c.inbox, e)
	return nil
}

func (c *Conn) names() string {
	var list []string
	for _, e := range c.inbox {
		list = append(list, e.Type)
	}
	return strings.Join(list, " ")
}

// TakeEvent takes the next event of a type.
func TakeEvent[P any](c *Conn, event shared.Type[P]) P {
	c.T.Helper()
	return Payload(c, event, c.Take(event.Name(), func(e shared.Event) bool { return e.Type == event.Name() }))
}

// TakeAnswer takes the answer to the event with this id. It has to be of this
// type.
func TakeAnswer[P any](c *Conn, event shared.Type[P], id string) P {
	c.T.Helper()
	return Payload(c, event, c.Take("the answer to "+id, func(e shared.Event) bool { return e.ID == id }))
}

// Payload decodes an event, which has to be of this type.
func Payload[P any](c *Conn, event shared.Type[P], e shared.Event) P {
	c.T.Helper()
	if e.Type != event.Name() {
		c.T.Fatalf("got %s %s %s, want %s", e.Type, e.ID, e.Payload, event.Name())
	}
	payload, err := event.Decode(e)
	if err != nil {
		c.T.Fatalf("%s %s: %v", e.Type, e.Payload, err)
	}
	return payload
}

// TakeRefusal takes the answer to the event with this id and checks that it is an
// error with this code and a text.
func (c *Conn) TakeRefusal(id, code string) shared.Error {
	c.T.Helper()
	refusal := TakeAnswer(c, shared.Failed, id)
	if refusal.Code != code || refusal.Message == "" {
		c.T.Errorf("answer to %q: got %+v, want code %s and a message", id, refusal, code)
	}
	return refusal
}

// Say sends a message to the current room and takes its ack.
func (c *Conn) Say(text string) shared.AckPayload {
	c.T.Helper()
	return TakeAnswer(c, shared.Ack, Send(c, shared.SendMessage, shared.SendMessagePayload{Message: text}))
}

// TakeMessages takes the next n messages.
func (c *Conn) TakeMessages(n int) (messages []shared.Message) {
	c.T.Helper()
	for range n {
		messages = append(messages, TakeEvent(c, shared.NewMessage))
	}
	return messages
}

// Barrier returns when the server has handled all that was sent; what it had
// answered by then is in the inbox.
func (c *Conn) Barrier() {
	c.T.Helper()
	TakeAnswer(c, shared.Pong, Send(c, shared.Ping, shared.Empty{}))
}

// None fails the test for each event in the inbox that matches.
func (c *Conn) None(what string, match func(shared.Event) bool) {
	c.T.Helper()
	for _, e := range c.inbox {
		if match(e) {
			c.T.Errorf("got %s, %s %s, want none", what, e.Type, e.Payload)
		}
	}
}

// Forget empties the inbox.
func (c *Conn) Forget() { c.inbox = nil }

// AwaitClose reads into the inbox until the connection ends, and checks its close
// code.
func (c *Conn) AwaitClose(code int) {
	c.T.Helper()
	for {
		err := c.receive()
		if err == nil {
			continue
		}
		var closed *websocket.CloseError
		if !errors.As(err, &closed) || closed.Code != code {
			c.T.Errorf("the connection ended: got %v, want close code %d", err, code)
		}
		return
	}
}

// Leave ends the connection with a close frame and waits for the server's.
func (c *Conn) Leave() {
	c.T.Helper()
	if err := c.WS.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")); err != nil {
		c.T.Fatalf("sending a close frame: %v", err)
	}
	c.AwaitClose(websocket.CloseNormalClosure)
}
