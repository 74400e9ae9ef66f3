package eventlog

import (
	"context"
	"errors"
	"time"
)

const (
	// DedupeWindow is how long a log remembers the key of an append at most.
	DedupeWindow = 24 * time.Hour
	// MinMaxAge is the shortest age after which a log may remove records.
	MinMaxAge = 2 * time.Minute
)

// ErrUnavailable is wrapped by every error after which the same call may succeed
// later: the log is busy, starting, stopping or cannot be reached.
var ErrUnavailable = errors.New("the message log cannot be reached")

// Record is one record of a room.
type Record struct {
	Room string
	// Seq is the record's place in the room, 1 or more.
	Seq uint64
	// Body is what was appended. It must not be modified.
	Body []byte
}

// Receipt says where an append was stored.
type Receipt struct {
	Seq uint64
	// Duplicate means that the log has a record with the same key at Seq and stored
	// nothing. Whether the bodies are the same is for the caller to check.
	Duplicate bool
}

// Page is a part of a room, oldest record first.
type Page struct {
	Records []Record
	// More means that the room has records beyond the page, in the direction of
	// reading.
	More bool
	// Gone means that records are missing from the page, or may be: between the
	// place where the page was asked for and its first record, retention removed
	// some or some cannot be read.
	Gone bool
}

// PlaceState says what a log knows of a place in a room.
type PlaceState int

const (
	// Present means that there is a record at the place.
	Present PlaceState = iota
	// Absent means that there is no record at the place, and nothing beyond it has
	// been removed: so there never was one.
	Absent
	// Expired means that there is no record at the place, and that retention may
	// have removed it, and records beyond it.
	Expired
	// Beyond means that the log has never reached the place: it was a place in
	// another log.
	Beyond
)

// Place is the answer of Log.Locate.
type Place struct {
	State PlaceState
	// Record is the record at the place, if Present.
	Record Record
	// First is the sequence of the first record beyond the place, if Expired; 0 if
	// there is none.
	First uint64
}

// Mark is how far a reader of RecentRooms has looked. The zero Mark is the
// beginning. Only the log that made it understands it.
type Mark []uint64

// Log is a durable log of rooms.
//
// Methods may be called from any goroutine. Calls that take a context end with
// it; each also has a bound of its own, some 10 s, after which it fails. After
// Close every call returns an error that wraps ErrUnavailable. A room with an
// invalid name is refused with a *shared.Error bad_room.
type Log interface {
	// Append stores body as the room's next record and calls done once with the
	// outcome: without an error when the record is durable. The same key again stores
	// nothing while the log remembers it, see Dedupe; the caller includes the room in the
	// key.
	//
	// Appends of one goroutine to one room are stored in the order of the calls.
	// Append waits while too many are in flight. If Append returns an error, nothing
	// was handed over and done is not called. done may be called before Append
	// returns; it must not block or call the log. An error passed to done leaves open
	// whether the record was stored: appending again with the same key finds out.
	Append(ctx context.Context, room, key string, body []byte, done func(Receipt, error)) error

	// Dedupe returns for how long the log remembers the key of a record, on every server
	// and over a restart: until its age is window, until records more have been stored,
	// or until the record is removed, whichever comes first.
	Dedupe() (window time.Duration, records int64)

	// Subscribe delivers the room's records to s from now on. It has called s.Start
	// when it returns without an error. A room has at most one subscription at a time.
	Subscribe(ctx context.Context, room string, s Subscriber) (Subscription, error)

	// After returns the room's records beyond seq: at most limit, and about maxBytes
	// of bodies but at least one record; maxBytes 0 means no bound.
	After(ctx context.Context, room string, seq uint64, limit, maxBytes int) (Page, error)

	// Before returns the room's last records below before; 0 means the end. Bounds
	// are as for After. Gone is set if a record within the page cannot be read.
	Before(ctx context.Context, room string, before uint64, limit, maxBytes int) (Page, error)

	// Head returns the room's newest record; its Seq is 0 if the room has none.
	Head(ctx context.Context, room string) (Record, error)

	// Locate looks up a place in the room.
	Locate(ctx context.Context, room string, seq uint64) (Place, error)

	// Count returns how many records the room has beyond seq.
	Count(ctx context.Context, room string, seq uint64) (int, error)

	// RecentRooms calls found with the newest record of every room that was appended to
	// since the mark, and returns the mark to use next. A room may come several times,
	// its newest record last; the calls do not overlap. The whole call may take longer than 10 s, each step of it
	// may not. After an error found may have been called with some of the rooms.
	RecentRooms(ctx context.Context, since Mark, found func(Record)) (Mark, error)

	// Expired reports whether retention has removed a room whose newest record is at
	// seq. It knows what RecentRooms knew when it returned the mark, and does not block.
	Expired(at Mark, room string, seq uint64) bool

	// Epoch names the life of the log in which the room's sequences count: a cursor
	// of another epoch means nothing. It changes when records that were acknowledged
	// are lost.
	Epoch(room string) string

	// Signal sends data, best effort, to the other servers that subscribe to the
	// room. It does nothing if the log is not Shared.
	Signal(room string, data []byte) error

	// Shared reports whether other servers may use the same log.
	Shared() bool

	// Values returns a key-value store that lives beside the log.
	Values(Bucket) Values
}

// Subscriber receives what a room's log stores.
//
// The log calls one method at a time, except Signal, which may be called beside
// the others. Methods must not block or call the log. Nothing is called after
// Subscription.Close has returned.
type Subscriber interface {
	// Start is the first call: the log's epoch, and the room's newest record. If the
	// room has none, head has no Body, and its Seq lies before whatever comes.
	Start(epoch string, head Record)
	// Append takes the record that follows the last one, or the head.
	Append(Record)
	// Skip means that records up to and including seq will not come by Append: they
	// are to be read with After.
	Skip(seq uint64)
	// Flush ends a run of calls to Append and Skip.
	Flush()
	// Reset means that the log has a new epoch: what the subscriber knows of it is
	// void. Records follow with the first Append or Skip.
	Reset(epoch string)
	// Signal takes what a server has signalled, this one included.
	Signal(data []byte)
}

// Subscription is a room's connection to its log. Every record that is stored
// reaches the subscriber by Append or Skip within two seconds while the log can be
// reached.
type Subscription interface {
	// Trusted reports whether the subscriber has, but for the last two seconds, all
	// that the log has. It is false when the log could not be reached lately, or has
	// acknowledged a record that has not been delivered yet. It must not be called
	// from the subscriber.
	Trusted() bool
	// Close ends the subscription. It may be called more than once.
	Close()
}

// Bucket names a key-value store.
type Bucket string

const (
	// Server holds what all servers on the log share, like keys. It has no owners:
	// owner is "".
	Server Bucket = "server"
	// Users holds what belongs to a user, like a name. Values are kept for 420 days
	// after they were last written.
	Users Bucket = "users"
	// Rooms holds what belongs to a room.
	Rooms Bucket = "rooms"
)

// Values is a key-value store. An owner is any string; a key consists of letters,
// digits, "-", "_" and ".". Methods may be called from any goroutine, and errors
// wrap ErrUnavailable.
type Values interface {
	// Get returns a value, nil if there is none.
	Get(ctx context.Context, owner, key string) ([]byte, error)
	// Put stores a value; it is as durable as a record when Put returns.
	Put(ctx context.Context, owner, key string, value []byte) error
	// Update changes a value atomically. change gets the value, nil if there is none,
	// and returns the new one, or false to keep it; it is called again if another
	// server was faster. Update returns the value that is stored in the end.
	Update(ctx context.Context, owner, key string, change func(old []byte) ([]byte, bool)) ([]byte, error)
	// Watch calls changed with every value that any server stores under key, for any
	// owner, from now until the log is closed. Calls come one at a time; changed must
	// not block or call the log.
	Watch(key string, changed func(owner string, value []byte)) error
}

// Store is a Log as the program opens and closes it.
type Store interface {
	Log
	// Ready returns why the log takes no records now, nil if it does, within 2 s.
	Ready(ctx context.Context) error
	// Failed receives an error when the log has to be closed and opened again to take
	// records.
	Failed() <-chan error
	// Close settles what is in flight, for at most a second, and closes the log. It
	// may be called more than once.
	Close()
}
