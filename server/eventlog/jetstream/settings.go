package jetstream

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Options say how a new store is made. One that exists keeps its settings, whatever the
// Options of a server that opens it, because other servers rely on them and less
// retention deletes messages. Everything here goes by the store's settings, which come
// with each state of a stream: another server, or an operator, may change them at any time.

// settings are those of a stream that its readers depend on. 0 means no limit.
type settings struct {
	Replicas        int
	MaxBytes        int64
	MaxAge          time.Duration
	MaxMessages     int64
	MaxRoomMessages int64
	// LeastRoomMessages is the lowest MaxRoomMessages that the stream has ever had. A room
	// with fewer messages has never lost one to that limit.
	LeastRoomMessages int64
}

// streamConfig is the part of a stream's configuration that has its settings.
type streamConfig struct {
	Replicas          int               `json:"num_replicas"`
	MaxBytes          int64             `json:"max_bytes"`
	MaxAge            time.Duration     `json:"max_age"`
	MaxMsgs           int64             `json:"max_msgs"`
	MaxMsgsPerSubject int64             `json:"max_msgs_per_subject"`
	Metadata          map[string]string `json:"metadata"`
}

func settingsOf(c jetstream.StreamConfig) *settings {
	s := streamConfig{c.Replicas, c.MaxBytes, c.MaxAge, c.MaxMsgs, c.MaxMsgsPerSubject, c.Metadata}.settings()
	return &s
}

func (c streamConfig) settings() settings {
	s := settings{
		Replicas: max(1, c.Replicas), MaxBytes: max(0, c.MaxBytes), MaxAge: c.MaxAge,
		MaxMessages: max(0, c.MaxMsgs), MaxRoomMessages: max(0, c.MaxMsgsPerSubject),
	}
	least, _ := strconv.ParseInt(c.Metadata[leastKey], 10, 64) // without it 0: no limit
	s.LeastRoomMessages = lowest(least, s.MaxRoomMessages)
	return s
}

// lowest returns the lower of two limits. 0 means no limit.
func lowest(a, b int64) int64 {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// removesOldest reports whether a limit other than the size may remove the oldest messages.
func (s *settings) removesOldest() bool { return s.MaxAge > 0 || s.MaxMessages > 0 }

// differences says in words what is different in now.
func (s *settings) differences(now *settings) (before, after string) {
	var was, is []string
	compare := func(name, old, new string) {
		if old != new {
			was, is = append(was, name+" "+old), append(is, name+" "+new)
		}
	}
	compare("replicas", strconv.Itoa(s.Replicas), strconv.Itoa(now.Replicas))
	compare("size", sizeText(s.MaxBytes), sizeText(now.MaxBytes))
	compare("age", ageText(s.MaxAge), ageText(now.MaxAge))
	compare("messages", countText(s.MaxMessages), countText(now.MaxMessages))
	compare("messages per room", countText(s.MaxRoomMessages), countText(now.MaxRoomMessages))
	return strings.Join(was, ", "), strings.Join(is, ", ")
}

// observe notes settings that the stream's state came with. If somebody has changed them,
// it logs that.
func (s *stream) observe(now settings) {
	old := s.settings.Load()
	now.LeastRoomMessages = lowest(now.LeastRoomMessages, old.LeastRoomMessages)
	if now == *old || !s.settings.CompareAndSwap(old, &now) {
		return
	}
	before, after := old.differences(&now)
	if before != "" {
		s.opts.Logger.Warn("another server or an operator has changed the settings of the store", "stream", s.name, "before", before, "now", after)
	}
}

// newStream returns the configuration of a stream that is missing. If the store has
// others, it gets their settings.
func (l *Log) newStream(shard, count int) jetstream.StreamConfig {
	names := l.existing.names
	c := l.wantedStream(jetstream.StreamConfig{
		Name:               names.stream(shard),
		Description:        "messages of the rooms of shard " + strconv.Itoa(shard),
		AllowAtomicPublish: !l.opts.shared(),
	}, shard, count)
	c.Metadata[markKey], c.Metadata[shardsKey] = l.prefix(), strconv.Itoa(count)
	for n := range count {
		other, ok := l.existing.streams[names.stream(n)]
		if !ok {
			continue
		}
		c.Replicas, c.MaxBytes, c.MaxAge, c.MaxMsgs, c.MaxMsgsPerSubject = other.Replicas, other.MaxBytes, other.MaxAge, other.MaxMsgs, other.MaxMsgsPerSubject
		c.Discard, c.Storage, c.Duplicates = other.Discard, other.Storage, other.Duplicates
		delete(c.Metadata, leastKey)
		setLeast(c.Metadata, settingsOf(other).LeastRoomMessages)
		break
	}
	return c
}

// newReplicas returns how many replicas a bucket gets that is missing: as many as the
// store's others.
func (l *Log) newReplicas() (replicas int) {
	for _, other := range l.existing.streams {
		replicas = max(replicas, other.Replicas)
	}
	return cmp.Or(replicas, l.opts.Replicas)
}

// wantedStream returns a stream's configuration with what Options say.
func (l *Log) wantedStream(c jetstream.StreamConfig, shard, count int) jetstream.StreamConfig {
	limit := func(v int64) int64 { return cmp.Or(v, -1) } // -1 means none
	names := l.existing.names
	c.Subjects, c.RePublish, c.AllowDirect = []string{names.room(shard, "*")}, republish(names, shard), true
	c.Replicas = l.opts.Replicas
	c.MaxBytes = limit(l.opts.MaxBytes / int64(count))
	c.MaxAge = l.opts.MaxAge
	c.MaxMsgs = -1
	c.MaxMsgsPerSubject = limit(l.opts.MaxRoomMessages)
	c.Discard = jetstream.DiscardOld
	c.Storage = jetstream.FileStorage
	c.Duplicates = l.opts.duplicates
	c.Metadata = maps.Clone(c.Metadata)
	if c.Metadata == nil {
		c.Metadata = map[string]string{}
	}
	setLeast(c.Metadata, settingsOf(c).LeastRoomMessages)
	return c
}

// wantedBucket returns the configuration of a bucket's stream as this version makes it.
func (l *Log) wantedBucket(c jetstream.StreamConfig, b jetstream.KeyValueConfig) jetstream.StreamConfig {
	c.AllowDirect = true
	c.Replicas = l.opts.Replicas
	c.MaxBytes = b.MaxBytes
	c.MaxAge = b.TTL
	c.Discard = jetstream.DiscardNew
	c.Storage = jetstream.FileStorage
	return c
}

func setLeast(metadata map[string]string, least int64) {
	if least > 0 {
		metadata[leastKey] = strconv.FormatInt(least, 10)
	}
}

// mark gives a stream of an adopted store its mark, and any stream the further marks that
// it lacks. It also enables batches, which a store of a server without --fsync always may
// lack. It changes no other setting.
func (l *Log) mark(ctx context.Context, c jetstream.StreamConfig, further map[string]string) (jetstream.StreamConfig, error) {
	marked := c
	marked.Metadata = maps.Clone(c.Metadata)
	if marked.Metadata == nil {
		marked.Metadata = map[string]string{}
	}
	marked.Metadata[markKey] = l.prefix()
	maps.Copy(marked.Metadata, further)
	if further != nil { // a shard's
		marked.AllowAtomicPublish = c.AllowAtomicPublish || !l.opts.shared()
	}
	if maps.Equal(marked.Metadata, c.Metadata) && marked.AllowAtomicPublish == c.AllowAtomicPublish {
		return c, nil
	}
	return l.updateStream(ctx, marked)
}

func (l *Log) updateStream(ctx context.Context, c jetstream.StreamConfig) (jetstream.StreamConfig, error) {
	updated, err := l.js.UpdateStream(ctx, c)
	if err != nil {
		return c, fmt.Errorf("changing the stream %s: %w", c.Name, err)
	}
	return updated.CachedInfo().Config, nil
}

// marks returns the marks of a shard's stream beside the store's. The log's epoch must be
// open: a stream that has had a limit of messages per room, nobody knows which, is taken
// to have had the lowest.
func (s *shard) marks(c jetstream.StreamConfig, count int) map[string]string {
	marks := map[string]string{shardsKey: strconv.Itoa(count)}
	if c.Metadata[leastKey] == "" && s.stored.Limited {
		unknown := *s.stream.settings.Load()
		unknown.LeastRoomMessages = 1
		s.stream.settings.Store(&unknown)
	}
	setLeast(marks, s.stream.settings.Load().LeastRoomMessages)
	return marks
}

// Texts of settings as the flags have them.

func sizeText(bytes int64) string {
	switch {
	case bytes <= 0:
		return "no limit"
	case bytes%1e9 == 0:
		return strconv.FormatInt(bytes/1e9, 10) + "GB"
	case bytes%1e6 == 0:
		return strconv.FormatInt(bytes/1e6, 10) + "MB"
	default:
		return strconv.FormatInt(bytes, 10) + " bytes"
	}
}

func ageText(age time.Duration) string {
	if age <= 0 {
		return "no limit"
	}
	return age.String()
}

func countText(n int64) string {
	if n <= 0 {
		return "no limit"
	}
	return strconv.FormatInt(n, 10)
}
