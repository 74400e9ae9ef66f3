package servertest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"websockets/shared"
)

// Flood sends n messages to a room that the client is in and returns their acks,
// the sender's own record. text makes a message's text of its id; the ids begin
// with name. At most window messages are in flight, each until it is acked and has
// come back to its sender, so a flood is as fast as its room.
func (c *Conn) Flood(room, name string, n, window int, text func(id string) string) (acked []Stored, err error) {
	acked = make([]Stored, 0, n)
	prefix := name + "-"
	for sent, back := 0, 0; back < n || len(acked) < n; {
		if sent < n && sent-min(back, len(acked)) < window {
			id := prefix + strconv.Itoa(sent)
			if err := c.Write(shared.SendMessage.Frame(id, shared.SendMessagePayload{Room: room, Message: text(id)})); err != nil {
				return acked, err
			}
			sent++
			continue
		}
		frame, err := c.Next()
		if err != nil {
			return acked, fmt.Errorf("%s has %d acks of %d: %w", name, len(acked), n, err)
		}
		if m, ok := MessageIn(frame); ok {
			if strings.HasPrefix(m.ID, prefix) {
				back++
			}
		} else if m, ok := AckIn(frame); ok {
			acked = append(acked, m)
		} else if IsEvent(frame, shared.Failed.Name()) {
			return acked, fmt.Errorf("%s was refused: %s", name, frame)
		}
	}
	return acked, nil
}

// FloodRoom has several senders flood a room, n messages in all, and returns what
// was acked in the order of the log. Each flood of a test needs another name.
func FloodRoom(t testing.TB, senders []*Conn, room, name string, n, window int, text func(id string) string) []Stored {
	t.Helper()
	lists := make([][]Stored, len(senders))
	errs := make([]error, len(senders))
	var floods sync.WaitGroup
	for i, c := range senders {
		share := n*(i+1)/len(senders) - n*i/len(senders)
		floods.Go(func() {
			lists[i], errs[i] = c.Flood(room, fmt.Sprintf("%s-%d", name, i), share, window, text)
		})
	}
	floods.Wait()
	for _, err := range errs {
		if err != nil {
			t.Fatalf("flooding %s: %v", room, err)
		}
	}
	return InOrder(slices.Concat(lists...))
}

// InOrder sorts a record by sequence.
func InOrder(record []Stored) []Stored {
	slices.SortFunc(record, func(a, b Stored) int { return cmp.Compare(a.Seq, b.Seq) })
	return record
}

// After returns what lies after a sequence in an ordered record.
func After(record []Stored, seq uint64) []Stored {
	i, found := slices.BinarySearchFunc(record, seq, func(m Stored, seq uint64) int { return cmp.Compare(m.Seq, seq) })
	if found {
		i++
	}
	return record[i:]
}

// IDs returns the ids of a record.
func IDs(record []Stored) (ids []string) {
	for _, m := range record {
		ids = append(ids, m.ID)
	}
	return ids
}

// Difference says where a record parts from the one that is wanted. It is empty
// when they are equal.
func Difference(got, want []Stored) string {
	if slices.Equal(got, want) {
		return ""
	}
	i := 0
	for i < len(got) && i < len(want) && got[i] == want[i] {
		i++
	}
	around := func(s []Stored) []Stored { return s[max(0, i-1):min(len(s), i+3)] }
	return fmt.Sprintf("got %d messages, want %d; they part at %d: got %v, want %v", len(got), len(want), i, around(got), around(want))
}

// ReadUpTo returns the messages that come before an event.
func ReadUpTo[P any](c *Conn, event shared.Type[P]) (got []Stored) {
	c.T.Helper()
	for {
		frame, err := c.Next()
		if err != nil {
			c.T.Fatalf("waiting for %s after %d messages: %v", event.Name(), len(got), err)
		}
		if m, ok := MessageIn(frame); ok {
			got = append(got, m.Stored)
		}
		if IsEvent(frame, event.Name()) {
			return got
		}
	}
}
