package jetstream

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"websockets/server/eventlog"
	"websockets/server/eventlog/jetstream/filestore"
)

// openWait is how long the store may take for what Open asks of it: a large one, on
// a disk that others keep busy, may take longer than NATS's client waits by itself.
const openWait = time.Minute

// closeWait is how long Close waits for a store that does not answer.
const closeWait = time.Second

// newShards is how many streams a new store gets; the store remembers it. One
// stream writes about 5,000 messages a second when each is synced to disk, four
// together about 10,000.
const newShards = 4

// Options say where the log lives and what it keeps.
type Options struct {
	// Servers are the addresses of an external NATS server or cluster, separated by
	// commas, which then decides on Dir and SyncAlways for itself. Empty means NATS
	// inside this process.
	Servers string
	// Replicas is how many servers of a cluster keep each message; 0 means 1.
	Replicas int
	// Dir is the store's folder; this process owns it alone while it runs.
	Dir string
	// SyncAlways makes an ack mean "on disk". Without it the store is synced once
	// in SyncInterval, and a crash of the machine loses what came since.
	SyncAlways bool
	// MaxBytes bounds all messages together; the oldest of a shard go first.
	MaxBytes int64
	// MaxAge and MaxRoomMessages bound what a room keeps; 0 means no bound.
	MaxAge          time.Duration
	MaxRoomMessages int64
	// NewEpoch says that the store was restored from a backup: what clients know of
	// the log may not be in it, so they start over.
	NewEpoch bool
	// Logger receives the store's warnings and errors; it must not be nil.
	Logger *slog.Logger

	shards int // of a new store; 0 means newShards. Only tests set it.
}

// shared reports whether other servers may use the same log.
func (o *Options) shared() bool { return o.Servers != "" }

// SyncInterval is how often the store is synced when not always.
const SyncInterval = time.Second

// ErrUnavailable is eventlog's.
var ErrUnavailable = eventlog.ErrUnavailable

// Log implements eventlog.Store.
type Log struct {
	opts   Options
	lock   *os.File
	server *server.Server
	conn   *nats.Conn // reads, key-values, administration
	js     jetstream.JetStream
	values map[eventlog.Bucket]*values
	shards []*shard
	reads  chan struct{} // a place for each read under way: bounds their memory

	damage map[string][]filestore.Span // what the embedded store was found to have lost, by stream
	used   bool                        // the store had messages when it was opened

	health *health
	failed chan error // see Failed

	ctx  context.Context // ends with Close
	stop context.CancelFunc
	wg   sync.WaitGroup
}

var _ eventlog.Store = (*Log)(nil)

// Open starts the store in opts.Dir, creating what is missing, and connects to
// it. It fails if another process has the folder.
func Open(ctx context.Context, opts Options) (*Log, error) {
	opts.Replicas = max(1, opts.Replicas)
	l := &Log{
		opts: opts, reads: make(chan struct{}, maxReads),
		health: newHealth(), failed: make(chan error, 1),
	}
	l.ctx, l.stop = context.WithCancel(context.Background())
	ctx, cancel := context.WithTimeout(ctx, openWait)
	defer cancel()
	if err := l.start(ctx); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// embed starts the store inside this process.
func (l *Log) embed() (err error) {
	dir := l.opts.Dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("the data folder: %w", err)
	}
	if l.lock, err = lockFile(filepath.Join(dir, "lock")); err != nil {
		return fmt.Errorf("the data folder %s is in use by another process (or cannot be locked: %w); stop it, or choose another with --data", dir, err)
	}
	if l.damage, err = filestore.Repair(dir, l.opts.Logger); err != nil {
		return fmt.Errorf("looking through the store in %s: %w", dir, err)
	}
	if err := probe(dir); err != nil {
		l.health.report(err) // it may be readable all the same
	}
	l.server, err = startServer(l.opts, l.health.report)
	return err
}

func (l *Log) start(ctx context.Context) (err error) {
	if !l.opts.shared() {
		if err := l.embed(); err != nil {
			return err
		}
	}
	if l.conn, err = l.connect(func() {}, func() {}); err != nil {
		return err
	}
	if l.js, err = jetstream.New(l.conn); err != nil {
		return err
	}
	if err := l.openValues(ctx); err != nil {
		return err
	}
	streams, err := l.streams(ctx)
	if err != nil {
		return err
	}
	kept, err := l.values[eventlog.Server].getOrCreate(ctx, "shards", func() []byte { return strconv.AppendInt(nil, int64(cmp.Or(streams, l.opts.shards, newShards)), 10) })
	if err != nil {
		return err
	}
	count, err := strconv.Atoi(string(kept))
	if err != nil || count < 1 {
		return fmt.Errorf("the store says it has %q shards: is %s a store of this program?", kept, l.opts.Dir)
	}
	for n := range count {
		if err := l.openShard(ctx, n, count); err != nil {
			return err
		}
	}
	if !l.opts.shared() {
		l.wg.Go(l.watchStore)
	}
	return l.follow()
}

// follow starts the goroutines that bring what the shards' streams store.
func (l *Log) follow() error {
	err := l.watchEpochs()
	if err != nil {
		return err
	}
	for _, s := range l.shards {
		l.wg.Go(func() { s.keepCheckpoint(l.ctx) })
		l.wg.Go(func() { s.follow(l.ctx) })
		l.wg.Go(func() { s.reconcileLoop(l.ctx) })
		if l.Shared() {
			l.wg.Go(func() { s.followSignals(l.ctx) })
		}
	}
	return nil
}

// streams counts the shards that the store has already, and finds out whether
// there is anything in them.
func (l *Log) streams(ctx context.Context) (count int, err error) {
	list := l.js.ListStreams(ctx, jetstream.WithStreamListSubject("room.>"))
	for info := range list.Info() {
		count++
		l.used = l.used || info.State.LastSeq > 0
	}
	if list.Err() != nil {
		return 0, fmt.Errorf("%w: looking for what the store has: %w", ErrUnavailable, list.Err())
	}
	return count, nil
}

// Close ends the feeds, waits for a moment until the appends under way are settled
// and stops the store. It is safe to call more than once.
func (l *Log) Close() {
	ending, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	for _, s := range l.shards {
		if l.health.err() == nil {
			s.appender.drain(ending)
		}
	}
	l.stop()
	l.wg.Wait()
	for _, s := range l.shards {
		s.storeLastCheckpoint(ending)
		s.follower.conn.Close()
		s.appender.fail(fmt.Errorf("%w: it is closed", ErrUnavailable))
	}
	if l.conn != nil {
		l.conn.Close()
	}
	if l.server != nil {
		l.server.Shutdown()
		l.server.WaitForShutdown()
	}
	if l.lock != nil {
		l.lock.Close()
	}
}

// Epoch implements eventlog.Log.
func (l *Log) Epoch(room string) string { return *l.shardOf(room).epoch.Load() }

// Head implements eventlog.Log.
func (l *Log) Head(ctx context.Context, room string) (eventlog.Record, error) {
	r, err := l.room(room)
	if err != nil {
		return eventlog.Record{}, err
	}
	return r.head(ctx)
}

// Locate implements eventlog.Log.
func (l *Log) Locate(ctx context.Context, room string, seq uint64) (eventlog.Place, error) {
	r, err := l.room(room)
	if err != nil {
		return eventlog.Place{}, err
	}
	return r.locate(ctx, seq)
}

// After implements eventlog.Log.
func (l *Log) After(ctx context.Context, room string, seq uint64, limit, maxBytes int) (eventlog.Page, error) {
	r, err := l.room(room)
	if err != nil {
		return eventlog.Page{}, err
	}
	return r.after(ctx, seq, limit, maxBytes)
}

// Before implements eventlog.Log.
func (l *Log) Before(ctx context.Context, room string, before uint64, limit, maxBytes int) (eventlog.Page, error) {
	r, err := l.room(room)
	if err != nil {
		return eventlog.Page{}, err
	}
	return r.before(ctx, before, limit, maxBytes)
}

// Count implements eventlog.Log.
func (l *Log) Count(ctx context.Context, room string, seq uint64) (int, error) {
	r, err := l.room(room)
	if err != nil {
		return 0, err
	}
	return r.count(ctx, seq)
}

// RecentRooms implements eventlog.Log. A mark is a sequence for each shard.
func (l *Log) RecentRooms(ctx context.Context, since eventlog.Mark) (recent []eventlog.Record, now eventlog.Mark, err error) {
	now = make(eventlog.Mark, len(l.shards))
	copy(now, since)
	for i, s := range l.shards {
		newest, reached, err := s.stream.newest(ctx, now[i])
		if err != nil {
			return nil, since, err
		}
		recent = append(recent, newest...)
		now[i] = reached
	}
	return recent, now, nil
}

func (l *Log) shardOf(room string) *shard {
	h := fnv.New32a()
	h.Write([]byte(room))
	return l.shards[h.Sum32()%uint32(len(l.shards))]
}

func (l *Log) room(name string) (roomReader, error) { return l.shardOf(name).stream.room(name) }
