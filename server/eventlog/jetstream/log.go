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
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"websockets/server/eventlog"
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

	damage map[string][]span // what the embedded store was found to have lost, by stream
	used   bool              // the store had messages when it was opened

	health *health
	failed chan error // see Failed

	ctx  context.Context // ends with Close
	stop context.CancelFunc
	wg   sync.WaitGroup
}

// shard is one stream, with a connection of its own for what is published to it
// and for its feed.
type shard struct {
	stream   *stream
	opts     *Options // the log's
	health   *health  // the log's
	values   *values  // the server's: epochs and checkpoints
	maxBytes int64    // of all messages together; 0 means no bound
	epoch    atomic.Pointer[string]
	marked   *mark // what is written down; owned by keepMark once the log is open
	appender appender
	follower follower

	reconciled atomic.Int64 // when the last reconciliation that was answered began, in Unix nanoseconds

	mu   sync.RWMutex // guards subs
	subs map[string]*subscription
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
	if l.damage, err = repairStore(dir, l.opts.Logger); err != nil {
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
	kept, err := l.values[eventlog.Server].getOrCreate(ctx, "shards", func() []byte { return strconv.AppendInt(nil, int64(cmp.Or(streams, newShards)), 10) })
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
		l.wg.Go(func() { s.keepMark(l.ctx) })
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

func (l *Log) openShard(ctx context.Context, n, count int) error {
	s := &shard{
		stream: &stream{number: n, name: fmt.Sprintf("ROOMS_%d", n), opts: &l.opts, conn: l.conn, reads: l.reads},
		opts:   &l.opts, health: l.health, values: l.values[eventlog.Server],
		maxBytes: l.opts.MaxBytes / int64(count),
		subs:     map[string]*subscription{},
	}
	limit := func(v int64) int64 {
		if v == 0 {
			return -1
		}
		return v
	}
	_, err := l.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name:               s.stream.name,
		Description:        "messages of the rooms of shard " + strconv.Itoa(n),
		Subjects:           []string{fmt.Sprintf("room.%d.*", n)},
		RePublish:          &jetstream.RePublish{Source: fmt.Sprintf("room.%d.*", n), Destination: fmt.Sprintf("feed.%d.{{wildcard(1)}}", n)},
		Storage:            jetstream.FileStorage,
		Replicas:           l.opts.Replicas,
		AllowDirect:        true,
		AllowAtomicPublish: !l.opts.shared() && l.opts.SyncAlways,
		Duplicates:         eventlog.DedupeWindow,
		MaxBytes:           limit(s.maxBytes),
		MaxAge:             l.opts.MaxAge,
		MaxMsgsPerSubject:  limit(l.opts.MaxRoomMessages),
	})
	if err != nil {
		return fmt.Errorf("stream %s: %w", s.stream.name, err)
	}
	if err := s.openEpoch(ctx, l.damage[s.stream.name]); err != nil {
		return err
	}
	conn, err := l.connect(s.disconnected, s.follower.lost)
	if err != nil {
		return err
	}
	s.appender.grouped = !l.opts.shared() && l.opts.SyncAlways
	if err := s.appender.open(conn, s.stream.name); err != nil {
		conn.Close()
		return err
	}
	l.wg.Go(func() { s.appender.expire(l.ctx) })
	s.follower.open(conn)
	l.shards = append(l.shards, s)
	return nil
}

// disconnected fails the appends in flight: their answers are lost.
func (s *shard) disconnected() {
	s.appender.fail(fmt.Errorf("%w: %w", ErrUnavailable, nats.ErrDisconnected))
}

// Close ends the feeds, waits for a moment until the appends under way are settled
// and stops the store. It is safe to call more than once.
func (l *Log) Close() {
	ending, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	for _, s := range l.shards {
		if l.health.err() == nil {
			s.appender.close(ending)
		}
	}
	l.stop()
	l.wg.Wait()
	for _, s := range l.shards {
		s.lastMark(ending)
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

func (l *Log) shardOf(room string) *shard {
	h := fnv.New32a()
	h.Write([]byte(room))
	return l.shards[h.Sum32()%uint32(len(l.shards))]
}
