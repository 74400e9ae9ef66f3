package jetstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"websockets/server/eventlog"
)

// Other programs may use the same NATS account, and names like ours. So every stream and
// bucket of a store is marked in its metadata with the store's prefix. One with our name
// and without our mark is never changed.
//
// Version 0.1.0 had neither prefix nor marks. A store of that version is adopted: it gets
// the marks of the default prefix and keeps its names.

// Keys of a stream's metadata.
const (
	markKey   = "websockets-prefix" // the mark: the store's prefix
	shardsKey = "websockets-shards" // how many shards the store has
	// leastKey is the lowest limit of messages per room that the stream has ever had.
	leastKey = "websockets-least-room-messages"
)

// existing is what there was of a store when it was opened.
type existing struct {
	names   names
	buckets map[eventlog.Bucket]string
	// streams are the settings of its streams and buckets, by the name of the stream.
	streams map[string]jetstream.StreamConfig
	// shards is how many shards there must be at least: one more than the highest number
	// of a stream.
	shards  int
	adopted bool // from version 0.1.0, now
}

func (l *Log) prefix() string { return cmp.Or(l.opts.Prefix, DefaultPrefix) }

// findStore finds out what there is of the store. It changes nothing.
func (l *Log) findStore(ctx context.Context) error {
	l.existing = existing{names: names{l.prefix()}, buckets: map[eventlog.Bucket]string{}, streams: map[string]jetstream.StreamConfig{}}
	for _, b := range buckets {
		l.existing.buckets[bucketOf(b)] = l.existing.names.bucket(bucketOf(b))
	}
	err := l.findMarked(ctx)
	if err != nil {
		return err
	}
	roomsBucket := bucketStream(l.existing.buckets[eventlog.Rooms]) // which may be beside a store of version 0.1.0
	isNew := !slices.ContainsFunc(slices.Collect(maps.Keys(l.existing.streams)), func(name string) bool { return name != roomsBucket })
	if isNew && l.prefix() == DefaultPrefix {
		return l.findOld(ctx)
	}
	return nil
}

// findMarked finds the streams and buckets with the store's names. It fails if one of
// them is another program's.
func (l *Log) findMarked(ctx context.Context) error {
	n := l.existing.names
	all := n.join(".", "room.>")
	streams, err := l.listStreams(ctx, all)
	if err != nil {
		return err
	}
	for _, info := range streams {
		_, ok := n.shard(info.Config.Name)
		if !ok {
			return fmt.Errorf("the stream %s takes the subjects %s of this program: choose another --nats-prefix, or other subjects for that stream", info.Config.Name, all)
		}
		l.noteStream(n, info.Config, info.State.LastSeq)
	}
	for shard := range max(newShards, l.opts.shards, l.existing.shards) {
		config, err := l.look(ctx, n.stream(shard))
		if err != nil {
			return err
		}
		if config != nil {
			l.noteStream(n, *config, 0)
		}
	}
	for _, bucket := range l.existing.buckets {
		config, err := l.look(ctx, bucketStream(bucket))
		if err != nil {
			return err
		}
		if config != nil {
			l.existing.streams[config.Name] = *config
		}
	}
	for _, config := range l.existing.streams {
		err := l.checkMark(config)
		if err != nil {
			return err
		}
	}
	return nil
}

// findOld looks for a store of version 0.1.0 and adopts it.
func (l *Log) findOld(ctx context.Context) error {
	old := existing{streams: map[string]jetstream.StreamConfig{}, buckets: map[eventlog.Bucket]string{}}
	for _, b := range buckets {
		old.buckets[bucketOf(b)] = old.names.bucket(bucketOf(b))
	}
	streams, err := l.listStreams(ctx, "room.>")
	if err != nil {
		return err
	}
	for _, info := range streams {
		shard, ok := old.names.shard(info.Config.Name)
		if ok && mayAdopt(info.Config) && hasSubjects(info.Config, old.names, shard) {
			old.streams[info.Config.Name] = info.Config
			old.shards = max(old.shards, shard+1)
			l.hadMessages = l.hadMessages || info.State.LastSeq > 0
		}
	}
	// The embedded store may have streams with damaged settings, which NATS does not know.
	folders := l.oldFolders(old.names)
	for _, folder := range folders {
		shard, _ := old.names.shard(folder)
		old.shards = max(old.shards, shard+1)
	}
	if len(old.streams) == 0 && len(folders) == 0 {
		return nil
	}
	own := l.existing.buckets[eventlog.Rooms]
	_, hasRooms := l.existing.streams[bucketStream(own)]
	for _, b := range buckets {
		name := bucketStream(old.buckets[bucketOf(b)])
		config, err := l.look(ctx, name)
		if err != nil {
			return err
		}
		isOurs := config != nil && mayAdopt(*config) && config.Description == b.Description
		switch {
		case isOurs:
			old.streams[name] = *config
		case bucketOf(b) == eventlog.Rooms && (config != nil || hasRooms): // version 0.1.0 had no such bucket: this one is another program's
			old.buckets[eventlog.Rooms] = own
		}
	}
	err = l.checkWhole(ctx, old)
	if err != nil {
		return fmt.Errorf("there is a part of a store of version 0.1.0, %w: restore what is missing, or start a new store with --nats-prefix", err)
	}
	maps.Copy(old.streams, l.existing.streams)
	l.existing = old
	for _, config := range old.streams {
		l.existing.adopted = l.existing.adopted || config.Metadata[markKey] == ""
	}
	return nil
}

// checkWhole returns an error if something of an old store is missing. The embedded
// store's folder has no other streams, and what is damaged in it is created again.
func (l *Log) checkWhole(ctx context.Context, old existing) error {
	if !l.opts.shared() {
		return nil
	}
	for shard := range old.shards {
		name := old.names.stream(shard)
		if _, ok := old.streams[name]; !ok {
			return fmt.Errorf("without the stream %s", name)
		}
	}
	for _, b := range []eventlog.Bucket{eventlog.Server, eventlog.Users} {
		if _, ok := old.streams[bucketStream(old.buckets[b])]; !ok {
			return fmt.Errorf("without the bucket %s", old.buckets[b])
		}
	}
	kv, err := l.js.KeyValue(ctx, old.buckets[eventlog.Server])
	if err != nil {
		return err
	}
	stored, err := kv.Get(ctx, shardCountKey)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return fmt.Errorf("without the value %s", shardCountKey)
	case err != nil:
		return err
	case string(stored.Value()) != strconv.Itoa(old.shards):
		return fmt.Errorf("with %d streams instead of %s", old.shards, stored.Value())
	}
	return nil
}

// mayAdopt reports whether a stream has no mark yet, or that of the default prefix.
func mayAdopt(c jetstream.StreamConfig) bool {
	mark := c.Metadata[markKey]
	return mark == "" || mark == DefaultPrefix
}

// hasSubjects reports whether a stream takes and republishes what a shard's stream does.
func hasSubjects(c jetstream.StreamConfig, n names, shard int) bool {
	return slices.Equal(c.Subjects, []string{n.room(shard, "*")}) && c.RePublish != nil && *c.RePublish == *republish(n, shard)
}

func republish(n names, shard int) *jetstream.RePublish {
	return &jetstream.RePublish{Source: n.room(shard, "*"), Destination: n.feed(shard, "{{wildcard(1)}}")}
}

// oldFolders returns the folders of old streams in the embedded store.
func (l *Log) oldFolders(n names) (streams []string) {
	if l.opts.shared() {
		return nil
	}
	folders, _ := filepath.Glob(filepath.Join(l.opts.Dir, "jetstream", "*", "streams", n.join("_", "ROOMS_*"))) // the pattern is valid
	for _, folder := range folders {
		streams = append(streams, filepath.Base(folder))
	}
	return streams
}

func (l *Log) noteStream(n names, c jetstream.StreamConfig, lastSeq uint64) {
	shard, _ := n.shard(c.Name)
	l.existing.streams[c.Name] = c
	l.existing.shards = max(l.existing.shards, shard+1)
	l.hadMessages = l.hadMessages || lastSeq > 0
}

// listStreams returns the streams that take one of these subjects.
func (l *Log) listStreams(ctx context.Context, subjects string) (streams []*jetstream.StreamInfo, err error) {
	list := l.js.ListStreams(ctx, jetstream.WithStreamListSubject(subjects))
	for info := range list.Info() {
		streams = append(streams, info)
	}
	if list.Err() != nil {
		return nil, fmt.Errorf("%w: listing the streams: %w", ErrUnavailable, list.Err())
	}
	return streams, nil
}

// look returns a stream's settings, nil if there is no such stream.
func (l *Log) look(ctx context.Context, stream string) (*jetstream.StreamConfig, error) {
	s, err := l.js.Stream(ctx, stream)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("stream %s: %w", stream, err)
	}
	return &s.CachedInfo().Config, nil
}

// checkMark returns an error if a stream is not of this store.
func (l *Log) checkMark(c jetstream.StreamConfig) error {
	mark := c.Metadata[markKey]
	if mark == l.prefix() {
		return nil
	}
	kind, name := "stream", c.Name
	bucket, isBucket := strings.CutPrefix(c.Name, bucketStream(""))
	if isBucket {
		kind, name = "bucket", bucket
	}
	if mark != "" {
		return fmt.Errorf("the %s %s belongs to a store with another prefix: start with --nats-prefix=%s, or choose another one", kind, name, mark)
	}
	return fmt.Errorf("the %s %s was not made by this program and is left alone: %s", kind, name, l.elsewhere())
}

// elsewhere says how to use another store.
func (l *Log) elsewhere() string {
	if l.opts.shared() {
		return "choose another --nats-prefix"
	}
	return "choose another folder with --data"
}

// createStream creates a stream of the store. If another server has created it
// meanwhile, its settings stay as they are.
func (l *Log) createStream(ctx context.Context, c jetstream.StreamConfig) (jetstream.StreamConfig, error) {
	created, err := l.js.CreateStream(ctx, c)
	if err == nil {
		return created.CachedInfo().Config, nil
	}
	if !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return c, fmt.Errorf("stream %s: %w", c.Name, err)
	}
	other, lookErr := l.look(ctx, c.Name)
	if lookErr != nil || other == nil {
		return c, cmp.Or(lookErr, err)
	}
	return *other, l.checkMark(*other)
}

// logAdopted logs that a store of version 0.1.0 was adopted.
func (l *Log) logAdopted() {
	if l.existing.adopted {
		l.opts.Logger.Info("adopted a store of version 0.1.0 under its old names", "streams", slices.Sorted(maps.Keys(l.existing.streams)))
	}
}
