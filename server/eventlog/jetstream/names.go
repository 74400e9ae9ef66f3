package jetstream

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"websockets/server/eventlog"
)

// DefaultPrefix is the prefix of a store if Options have none.
const DefaultPrefix = "websockets"

// validPrefix describes what is allowed in names of streams and buckets, and is one token
// of a subject that is not NATS's own.
var validPrefix = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$`)

// CheckPrefix returns an error if Options.Prefix cannot be prefix.
func CheckPrefix(prefix string) error {
	if !validPrefix.MatchString(prefix) {
		return fmt.Errorf("%q cannot be a prefix: use 1 to 32 letters, digits, - and _, beginning with a letter or digit", prefix)
	}
	return nil
}

// names are those of a store's streams, buckets and subjects. All begin with the store's
// prefix, so stores with different prefixes share nothing.
type names struct {
	prefix string // empty for a store of version 0.1.0
}

// stream returns the name of a shard's stream.
func (n names) stream(shard int) string { return n.join("_", "ROOMS_"+strconv.Itoa(shard)) }

// shard returns the shard of a stream with this name.
func (n names) shard(stream string) (shard int, ok bool) {
	digits, ok := strings.CutPrefix(stream, n.join("_", "ROOMS_"))
	shard, err := strconv.Atoi(digits)
	return shard, ok && err == nil && n.stream(shard) == stream
}

func (n names) bucket(b eventlog.Bucket) string { return n.join("_", string(b)) }

// room returns the subject where a room's messages are stored. The room may be a
// wildcard, here and below.
func (n names) room(shard int, room string) string { return n.subject("room", shard, room) }

// feed returns the subject where the shard's stream republishes a room's messages.
func (n names) feed(shard int, room string) string { return n.subject("feed", shard, room) }

// signal returns the subject where servers signal each other about a room.
func (n names) signal(shard int, room string) string { return n.subject("signal", shard, room) }

func (n names) subject(kind string, shard int, room string) string {
	return n.join(".", kind+"."+strconv.Itoa(shard)+"."+room)
}

func (n names) join(separator, name string) string {
	if n.prefix == "" {
		return name
	}
	return n.prefix + separator + name
}

// bucketStream returns the name of the stream that is a bucket.
func bucketStream(bucket string) string { return "KV_" + bucket }
