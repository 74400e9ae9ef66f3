package jetstream

import (
	"strconv"
	"sync"

	"github.com/nats-io/nats.go"

	"websockets/shared"
)

// stream reads the JetStream stream of one shard. Its methods may be called from any
// goroutine.
type stream struct {
	number int // of the shard
	name   string
	opts   *Options      // the log's
	conn   *nats.Conn    // the log's, for requests
	reads  chan struct{} // the log's: a slot for each read in flight bounds their memory
	gaps   sync.Map      // those that are logged: the sequence after the gap to true
}

// subject is where the room's messages are stored. A room's name has no letter
// that means something in a subject, so it stands for itself; anything else is
// refused here, whoever was to check it before.
func (s *stream) subject(room string) (string, error) {
	if err := shared.ValidateRoom(room); err != nil {
		return "", err
	}
	return "room." + strconv.Itoa(s.number) + "." + room, nil
}

// feedSubject is where the stream republishes what it has stored.
func (s *stream) feedSubject(room string) string {
	return "feed." + strconv.Itoa(s.number) + "." + room
}

// signalSubject is where servers talk to each other about a room.
func (s *stream) signalSubject(room string) string {
	return "signal." + strconv.Itoa(s.number) + "." + room
}
