package jetstream

import (
	"cmp"
	"context"
	"errors"
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
	"golang.org/x/sync/errgroup"

	"websockets/server/eventlog"
	"websockets/server/eventlog/dedupe"
	"websockets/server/eventlog/jetstream/filestore"
)

const (
	// openTimeout bounds Open. A large store on a busy disk takes longer than the NATS
	// client's own timeout.
	openTimeout = time.Minute
	// sharedOpenTimeout bounds Open on an external server. What it has created by then
	// is there when it is called again.
	sharedOpenTimeout = 15 * time.Second
	// closeTimeout is how long Close waits for a store that does not reply.
	closeTimeout = time.Second
	// newShards is how many streams a new store gets; the store remembers it. On two
	// CPUs, four streams store a quarter more messages a second than one (BenchmarkAppend)
	// if they are synced now and then. If each is synced, one stream stores more: its
	// batches are larger.
	newShards = 4
)

// Options configure a log.
type Options struct {
	// Servers are the addresses of an external NATS server or cluster, separated by
	// commas. Dir and SyncAlways then have no effect. Empty means NATS inside this
	// process.
	Servers string
	// Credentials prove to Servers who we are.
	Credentials Credentials
	// Replicas is how many servers of a cluster store each message; 0 means 1.
	Replicas int
	// Dir is the folder of the embedded store. One process at a time may have it open.
	Dir string
	// SyncAlways means that a message is synced to disk before it is acknowledged.
	// Without it a crash of the machine loses messages of the last SyncInterval.
	SyncAlways bool
	// MaxBytes bounds all messages together; each shard removes its oldest ones.
	MaxBytes int64
	// MaxAge and MaxRoomMessages bound what a room keeps; 0 means no bound.
	MaxAge          time.Duration
	MaxRoomMessages int64
	// ApplySettings gives a store that exists Replicas, MaxBytes, MaxAge and
	// MaxRoomMessages too, which may delete messages; that is logged first. Otherwise they
	// are for a new store: one that exists keeps its settings, and differences are logged.
	ApplySettings bool
	// Prefix begins all names and subjects of the store. Stores with different prefixes
	// have nothing in common. Empty means DefaultPrefix; see CheckPrefix.
	Prefix string
	// KeyBytes is about the memory for the keys of the newest records; 0 means
	// dedupe.DefaultBytes.
	KeyBytes int64
	// NewEpoch gives the log a new epoch, so that clients start over. It is for a store
	// that was restored from a backup, which may lack messages that clients have seen.
	NewEpoch bool
	// Logger receives the store's warnings and errors; it must not be nil.
	Logger *slog.Logger

	// Only tests set these.
	shards     int              // of a new store; 0 means newShards
	duplicates time.Duration    // 0 means duplicateWindow
	now        func() time.Time // nil means time.Now
}

// shared reports whether other servers may use the same log.
func (o *Options) shared() bool { return o.Servers != "" }

// SyncInterval is how often the store is synced without SyncAlways.
const SyncInterval = time.Second

// ErrUnavailable is eventlog's.
var ErrUnavailable = eventlog.ErrUnavailable

// Log implements eventlog.Store. It opens and closes the store; calls about a room go
// to the room's shard.
type Log struct {
	opts   Options
	lock   *os.File
	server *server.Server
	conn   *nats.Conn // for reads, values and administration
	js     jetstream.JetStream
	values map[eventlog.Bucket]*values
	shards []*shard
	reads  chan struct{} // see stream.reads

	existing    existing                    // what there was when the log was opened
	compared    []part                      // its streams and buckets, beside what Options say
	damage      map[string][]filestore.Span // what the embedded store has lost, by stream
	hadMessages bool                        // the store had messages when it was opened

	health *health
	failed chan error // see Failed

	ctx  context.Context // ends with Close
	stop context.CancelFunc
	wg   sync.WaitGroup
}

var _ eventlog.Store = (*Log)(nil)

// Open opens the store, creating what is missing. It fails if another process has
// opts.Dir open, or if an external server is too old. The error wraps ErrUnavailable if
// external servers may only not be ready yet.
func Open(ctx context.Context, opts Options) (*Log, error) {
	opts.Replicas = max(1, opts.Replicas)
	opts.KeyBytes = cmp.Or(opts.KeyBytes, dedupe.DefaultBytes)
	opts.duplicates = cmp.Or(opts.duplicates, duplicateWindow)
	if opts.now == nil {
		opts.now = time.Now
	}
	l := &Log{
		opts: opts, reads: make(chan struct{}, maxReads),
		health: newHealth(), failed: make(chan error, 1),
	}
	l.ctx, l.stop = context.WithCancel(context.Background())
	timeout := openTimeout
	if opts.shared() {
		timeout = sharedOpenTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := l.start(ctx)
	if err == nil {
		return l, nil
	}
	l.Close()
	if opts.shared() && isTemporary(err) && !errors.Is(err, ErrUnavailable) {
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil, err
}

// startEmbedded locks opts.Dir, repairs the store in it and starts NATS on it.
func (l *Log) startEmbedded() error {
	dir := l.opts.Dir
	err := os.MkdirAll(dir, 0o700)
	if err != nil {
		return fmt.Errorf("the data folder: %w", err)
	}
	l.lock, err = lockFile(filepath.Join(dir, "lock"))
	if err != nil {
		return fmt.Errorf("the data folder %s is in use by another process (or cannot be locked: %w); stop it, or choose another with --data", dir, err)
	}
	l.damage, err = filestore.Repair(dir, l.opts.Logger)
	if err != nil {
		return fmt.Errorf("checking the store in %s: %w", dir, err)
	}
	err = probe(dir)
	if err != nil {
		l.health.report(err) // it may be readable all the same
	}
	l.server, err = startServer(l.opts, l.health.report)
	return err
}

func (l *Log) start(ctx context.Context) (err error) {
	if !l.opts.shared() {
		err = l.startEmbedded()
		if err != nil {
			return err
		}
	}
	l.conn, err = l.connect(func() {}, func() {})
	if err != nil {
		return err
	}
	l.js, err = jetstream.New(l.conn)
	if err != nil {
		return err
	}
	err = l.findStore(ctx)
	if err != nil {
		return err
	}
	err = l.openValues(ctx)
	if err != nil {
		return err
	}
	count, err := l.shardCount(ctx)
	if err != nil {
		return err
	}
	for n := range count {
		err = l.openShard(ctx, n, count)
		if err != nil {
			return err
		}
	}
	l.logAdopted()
	err = l.compareSettings(ctx)
	if err != nil {
		return err
	}
	if !l.opts.shared() {
		l.wg.Go(l.watchStore)
	}
	return l.startShards()
}

// shardCountKey is where the store keeps how many shards it has.
const shardCountKey = "shards"

// shardCount returns how many shards the store has. A new store is given some. The
// number never changes: rooms would be looked for in other shards.
func (l *Log) shardCount(ctx context.Context) (int, error) {
	existing := l.existing.shards
	stored, err := l.values[eventlog.Server].getOrCreate(ctx, shardCountKey, func() []byte {
		return strconv.AppendInt(nil, int64(cmp.Or(l.markedShards(), existing, l.opts.shards, newShards)), 10)
	})
	if err != nil {
		return 0, err
	}
	count, err := strconv.Atoi(string(stored))
	if err != nil || count < 1 {
		return 0, fmt.Errorf("the store says it has %q shards: is %s a store of this program?", stored, l.opts.Dir)
	}
	if count != cmp.Or(l.markedShards(), max(count, existing)) {
		return 0, fmt.Errorf("the store's streams are of %d shards, and its bucket %s says %d: restore both from the same backup, or %s",
			cmp.Or(l.markedShards(), existing), l.existing.buckets[eventlog.Server], count, l.elsewhere())
	}
	return count, nil
}

// markedShards returns how many shards the store has by the marks of its streams, 0 if
// they do not say.
func (l *Log) markedShards() int {
	for _, config := range l.existing.streams {
		count, err := strconv.Atoi(config.Metadata[shardsKey])
		if err == nil && count > 0 {
			return count
		}
	}
	return 0
}

// startShards starts the goroutines of the shards.
func (l *Log) startShards() error {
	err := l.watchEpochs()
	if err != nil {
		return err
	}
	for _, s := range l.shards {
		l.wg.Go(func() { s.followKeys(l.ctx) })
		l.wg.Go(func() { s.keepCheckpoint(l.ctx) })
		l.wg.Go(func() { s.follow(l.ctx) })
		l.wg.Go(func() { s.reconcileLoop(l.ctx) })
		if l.opts.shared() {
			l.wg.Go(func() { s.followSignals(l.ctx) })
		}
	}
	return nil
}

// Close waits, for closeTimeout at most, until the appends in flight are settled, ends
// the subscriptions and stops the store. It may be called more than once.
func (l *Log) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	for _, s := range l.shards {
		if l.health.err() == nil {
			s.appender.drain(ctx)
		}
	}
	l.stop()
	l.wg.Wait()
	for _, s := range l.shards {
		s.storeLastCheckpoint(ctx)
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
		unlockFile(l.lock)
	}
}

// Replicas returns how many servers of a cluster store each message, by the store's
// settings when it was opened.
func (l *Log) Replicas() int {
	replicas := l.shards[0].stream.settings.Load().Replicas
	for _, s := range l.shards {
		replicas = min(replicas, s.stream.settings.Load().Replicas)
	}
	return replicas
}

// Epoch implements eventlog.Log.
func (l *Log) Epoch(room string) string { return *l.shardOf(room).epoch.Load() }

// Dedupe implements eventlog.Log. Each shard remembers the keys of as many records.
func (l *Log) Dedupe() (window time.Duration, records int64) {
	window, records = eventlog.DedupeWindow, int64(dedupe.Capacity(l.opts.KeyBytes/int64(len(l.shards))))
	for _, s := range l.shards {
		settings := s.stream.settings.Load()
		if settings.MaxAge > 0 {
			window = min(window, settings.MaxAge)
		}
		if settings.MaxRoomMessages > 0 {
			records = min(records, settings.MaxRoomMessages)
		}
	}
	return window, records
}

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

// RecentRooms implements eventlog.Log. A mark has two sequences for each shard: up to
// where it was read, and where it began.
func (l *Log) RecentRooms(ctx context.Context, since eventlog.Mark, found func(eventlog.Record)) (eventlog.Mark, error) {
	mark := make(eventlog.Mark, 2*len(l.shards))
	copy(mark, since)
	var one sync.Mutex // calls found for one record at a time
	shards, ctx := errgroup.WithContext(ctx)
	for i, s := range l.shards {
		shards.Go(func() error {
			state, err := s.stream.state(ctx)
			if err != nil {
				return err
			}
			mark[2*i], err = s.stream.newest(ctx, state, mark[2*i], func(r eventlog.Record) {
				one.Lock()
				defer one.Unlock()
				found(r)
			})
			mark[2*i+1] = state.FirstSeq
			return err
		})
	}
	err := shards.Wait()
	if err != nil {
		return since, err
	}
	return mark, nil
}

// Expired implements eventlog.Log.
func (l *Log) Expired(at eventlog.Mark, room string, seq uint64) bool {
	first := 2*l.shardOf(room).stream.number + 1
	return first < len(at) && seq < at[first]
}

// shardOf returns the room's shard. The hash is the store's format: rooms must stay in
// the shards that they are in.
func (l *Log) shardOf(room string) *shard {
	h := fnv.New32a()
	h.Write([]byte(room))
	return l.shards[h.Sum32()%uint32(len(l.shards))]
}

func (l *Log) room(name string) (roomReader, error) { return l.shardOf(name).stream.room(name) }
