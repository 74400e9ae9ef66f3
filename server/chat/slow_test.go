package chat

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"websockets/shared"
)

// long are texts of 16 KB, the most a message can have.
func long(first, n int) (list []string) {
	padding := strings.Repeat("𝒳", shared.MaxMessageLength-20)
	for i := range n {
		list = append(list, fmt.Sprint(first+i, " ", padding))
	}
	return list
}

// frameWith reads, without decoding them, frames up to one of this type that
// contains text. The frames are large, and decoding them would be most of what a
// test does.
func (c *testClient) frameWith(event, text string) {
	c.t.Helper()
	for {
		_ = c.conn.SetReadDeadline(time.Now().Add(patience))
		_, frame, err := c.conn.ReadMessage()
		if err != nil {
			c.t.Fatalf("waiting for %s with %.30q: %v", event, text, err)
		}
		if !bytes.HasPrefix(frame, []byte(`{"type":"`+event+`"`)) {
			continue
		}
		if !bytes.Contains(frame, []byte(text)) {
			c.t.Fatalf("in the place of %.30q comes %.200q", text, frame)
		}
		return
	}
}

// held returns how many bytes of the heap are in use, as sampled, beside those
// of the embedded NATS: its store caches what was written for a while.
func held() (bytes int64) {
	runtime.GC()
	runtime.GC() // a profile is that of the last collection but one
	records := make([]runtime.MemProfileRecord, 1<<16)
	n, ok := runtime.MemProfile(records, false)
	if !ok {
		panic("the heap's profile has more records than anybody thought")
	}
records:
	for _, r := range records[:n] {
		frames := runtime.CallersFrames(r.Stack())
		for more := true; more; {
			var frame runtime.Frame
			if frame, more = frames.Next(); strings.Contains(frame.Function, "/nats-server/") {
				continue records
			}
		}
		if count := r.InUseObjects(); count > 0 {
			size := float64(r.InUseBytes()) / float64(count)
			sampled := 1 - math.Exp(-size/float64(runtime.MemProfileRate))
			bytes += int64(float64(r.InUseBytes()) / sampled)
		}
	}
	return bytes
}

// Promise 3: a reader that has stopped delays nobody, costs no memory and misses
// nothing. It is not parallel: it looks at the process's memory.
func TestASlowReaderDelaysNobodyCostsNothingAndMissesNothing(t *testing.T) {
	s := serve(t)
	a, b := s.join("x"), s.join("x")
	slow := s.dialWith(smallBuffers(), "room=x", nil)
	until(slow, shared.Synced)
	const megabytes, messages = 20, 20 << 20 / (4 * shared.MaxMessageLength)
	all := long(0, messages)
	before := held()

	// Two members talk in turn; each waits for what the other said, so a message
	// that is delayed delays everything.
	for i, text := range all {
		from, to := a, b
		if i%2 == 1 {
			from, to = b, a
		}
		from.frame(websocket.TextMessage, []byte(`{"type":"send_message","payload":{"message":"`+text+`"}}`))
		to.frameWith("new_message", text)
		from.frameWith("new_message", text)
	}
	if ring := s.manager.memory.Load(); ring > largestRing {
		t.Errorf("the room's ring holds %d bytes, its bound is %d", ring, largestRing)
	}
	if grown := held() - before; grown > 6<<20 {
		t.Errorf("with a reader that does not read, %d KB more are held after %d MB", grown>>10, megabytes)
	}

	// The same connection, reading again.
	for _, text := range all {
		slow.frameWith("new_message", text)
	}
	slow.settle()
	slow.none("a message again", isMessageEvent)
}

// What a slow reader was to get and the log does not keep any more is told as
// gone, in its place, and never left out silently.
func TestASlowReaderIsToldWhatIsGone(t *testing.T) {
	t.Parallel()
	s := serve(t, func(with *setup) { with.log.MaxRoomMessages = 10 })
	slow := s.dialWith(smallBuffers(), "room=x", nil)
	until(slow, shared.Synced)
	const messages = 700 // far more than the kernel and the ring hold
	for i := 0; i < messages; i += 100 {
		s.put("x", long(i, 100)...)
	}
	next, told := 0, false
	for next < messages {
		e := slow.next()
		switch e.Type {
		case shared.RoomJoined.Name():
			joined := decode(slow, shared.RoomJoined, e)
			told = told || joined.State == shared.StateTruncated
		case shared.NewMessage.Name():
			var i int
			if _, err := fmt.Sscan(decode(slow, shared.NewMessage, e).Message, &i); err != nil {
				t.Fatal(err)
			}
			if i != next && !told {
				t.Fatalf("after %d comes %d, and nothing was said of what is between them", next-1, i)
			}
			next, told = i+1, false
		}
	}
}

// A member that does not read does not keep others from coming and going.
func TestASlowReaderDoesNotDelayJoining(t *testing.T) {
	t.Parallel()
	s := serve(t)
	slow := s.dialWith(smallBuffers(), "room=x", nil)
	until(slow, shared.Synced)
	s.put("x", long(0, 600)...) // 10 MB
	for range 5 {
		c := s.join("x")
		c.say("hello")
		c.leave()
	}
}

// A write that does not move is interrupted now and then, to let go of all but
// one frame, and begun again.
func TestAWriteThatDoesNotMoveIsInterrupted(t *testing.T) {
	t.Parallel()
	s := serve(t)
	slow := s.dialWith(smallBuffers(), "room=x", nil)
	until(slow, shared.Synced)
	var here *Client
	s.manager.mu.RLock()
	for here = range s.manager.clients {
	}
	s.manager.mu.RUnlock()
	s.put("x", long(0, 600)...)
	var begun int64
	s.eventually("a write stands still", func() bool {
		begun = here.writing.Load()
		return begun != 0 && s.manager.now.Load() > begun
	})
	s.eventually("it was begun again", func() bool { return here.writing.Load() > begun })
	for _, text := range long(0, 600) {
		slow.frameWith("new_message", text)
	}
}

// With TLS a write cannot be interrupted and gone on with, so nothing is: who reads
// on in time gets everything on the same connection.
func TestASlowReaderOverTLSMissesNothing(t *testing.T) {
	t.Parallel()
	s := serve(t, func(with *setup) { with.tls = true })
	dialer := smallBuffers()
	dialer.TLSClientConfig = s.http.Client().Transport.(*http.Transport).TLSClientConfig
	slow := s.dialWith(dialer, "room=x", nil)
	until(slow, shared.Synced)
	here := s.clients()[0]
	all := long(0, 600)
	s.put("x", all...)
	s.eventually("a write stands still for longer than one without TLS may", func() bool {
		begun := here.writing.Load()
		return begun != 0 && s.manager.now.Load() > begun+ticks(stallWait)+1
	})
	for _, text := range all {
		slow.frameWith("new_message", text)
	}
	slow.settle()
}

// However much was missed, synced comes after all of it.
func TestSyncedComesAfterAllThatWasMissed(t *testing.T) {
	t.Parallel()
	s := serve(t)
	all := long(0, shared.JoinBacklog) // much more than one write takes
	s.put("x", all...)
	for _, from := range []string{"the log", "the ring"} { // the second finds the ring of the first
		c := s.dial("room=x", nil)
		until(c, shared.RoomJoined)
		for _, text := range all {
			if m := decode(c, shared.NewMessage, c.next()); m.Message != text {
				t.Fatalf("from %s, in the place of %.10q comes %.10q", from, text, m.Message)
			}
		}
		decode(c, shared.Synced, c.next())
	}
}

// TestAReaderIsLetGoWithItsConnection: a reader that waits for its answers to be
// taken ends when they never will be, or the client would stay in its rooms.
func TestAReaderIsLetGoWithItsConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &Client{manager: &Manager{ctx: t.Context()}}
		c.egress.acks = window
		var waited error
		var ended bool
		go func() { waited, ended = c.awaitEgress(), true }()
		synctest.Wait()
		c.writeFailed(errLastWritten) // and nothing will be written any more
		synctest.Wait()
		if !ended || waited == nil {
			t.Errorf("it has ended: %v, with the error %v", ended, waited)
		}
	})
}
