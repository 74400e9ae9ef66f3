package memlog

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"sort"
	"sync"
	"time"

	"websockets/server/eventlog"
	"websockets/server/eventlog/dedupe"
	"websockets/shared"
)

// DefaultMaxBytes is the default of Options.MaxBytes.
const DefaultMaxBytes = 256 << 20

// recordOverhead is roughly the memory that a record takes in addition to its body: its
// struct, its entry in Log.order, and its key.
const recordOverhead = 200

// Options configures a log.
type Options struct {
	// MaxBytes limits the memory of all records; the oldest are removed first. 0 means
	// DefaultMaxBytes. Each key-value store may take another quarter of it.
	MaxBytes int64
	// MaxAge and MaxRoomMessages limit what a room keeps; 0 means no limit.
	MaxAge          time.Duration
	MaxRoomMessages int64
	// KeyBytes is about the memory for the keys of the newest records; 0 means
	// dedupe.DefaultBytes.
	KeyBytes int64
	// Now is the clock of retention and of remembered keys; nil means time.Now.
	Now func() time.Time
}

// Log is an eventlog.Store in memory. All rooms share one sequence.
type Log struct {
	opts   Options
	epoch  string
	values map[eventlog.Bucket]*values

	mu      sync.Mutex
	rooms   map[string]*room
	seq     uint64 // of the newest record
	expired uint64 // rooms that are not in the map may have had records up to here
	bytes   int64
	order   []entry // every record, oldest first, and some that are gone
	live    int     // records that are not gone
	keys    *dedupe.Table
	closed  bool
}

var _ eventlog.Store = (*Log)(nil)

// room is a room that has records or a subscription.
type room struct {
	records []record // in order
	expired uint64   // records up to here have been removed
	sub     *subscription
}

type record struct {
	eventlog.Record
	key    string
	stored time.Time
}

func (r record) size() int64 { return int64(len(r.Body)+len(r.Room)) + recordOverhead }

// entry is the place of a record in Log.order.
type entry struct {
	room string
	seq  uint64
}

// Open returns an empty log.
func Open(opts Options) *Log {
	if opts.MaxBytes == 0 {
		opts.MaxBytes = DefaultMaxBytes
	}
	opts.KeyBytes = cmp.Or(opts.KeyBytes, dedupe.DefaultBytes)
	if opts.Now == nil {
		opts.Now = time.Now
	}
	l := &Log{
		opts:  opts,
		epoch: rand.Text(),
		rooms: map[string]*room{},
		keys:  dedupe.New(opts.KeyBytes),
	}
	l.values = map[eventlog.Bucket]*values{}
	for _, b := range []eventlog.Bucket{eventlog.Server, eventlog.Users, eventlog.Rooms} {
		l.values[b] = &values{limit: opts.MaxBytes / 4, kept: map[string][]byte{}}
	}
	return l
}

var errClosed = fmt.Errorf("%w: it is closed", eventlog.ErrUnavailable)

// lock locks the log for a call about a room. If it returns an error, the log is not
// locked.
func (l *Log) lock(ctx context.Context, room string) error {
	err := shared.ValidateRoom(room)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", eventlog.ErrUnavailable, ctx.Err())
	}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return errClosed
	}
	l.expire(l.opts.Now())
	return nil
}

// Append implements eventlog.Log. done is called before it returns.
func (l *Log) Append(ctx context.Context, name, key string, body []byte, done func(eventlog.Receipt, error)) error {
	err := l.lock(ctx, name)
	if err != nil {
		return err
	}
	now := l.opts.Now()
	seq, known := l.find(name, key, now)
	if known {
		l.mu.Unlock()
		done(eventlog.Receipt{Seq: seq, Duplicate: true}, nil)
		return nil
	}
	l.seq++
	seq = l.seq
	l.store(record{eventlog.Record{Room: name, Seq: seq, Body: body}, key, now})
	l.mu.Unlock()
	done(eventlog.Receipt{Seq: seq}, nil)
	return nil
}

// find returns where the room has a record with this key that is not older than
// eventlog.DedupeWindow. l.mu is held.
func (l *Log) find(name, key string, now time.Time) (seq uint64, ok bool) {
	for _, seq := range l.keys.Find(key) {
		at, _ := l.beyond(name, seq-1)
		if len(at) > 0 && at[0].Seq == seq && at[0].key == key && now.Sub(at[0].stored) <= eventlog.DedupeWindow {
			return seq, true
		}
	}
	return 0, false
}

// store adds a record, delivers it, and removes old records if the limits require it.
// l.mu is held.
func (l *Log) store(added record) {
	r := l.rooms[added.Room]
	if r == nil {
		r = &room{expired: l.expired}
		l.rooms[added.Room] = r
	}
	r.records = append(r.records, added)
	l.order = append(l.order, entry{added.Room, added.Seq})
	l.live++
	l.bytes += added.size()
	l.keys.Add(added.Seq, added.key)
	if r.sub != nil {
		r.sub.to.Append(added.Record)
		r.sub.to.Flush()
	}
	if l.opts.MaxRoomMessages > 0 && int64(len(r.records)) > l.opts.MaxRoomMessages {
		l.removeOldest(added.Room, r)
	}
	for l.bytes > l.opts.MaxBytes {
		l.removeFirst()
	}
}

// expire removes records that are too old. l.mu is held.
func (l *Log) expire(now time.Time) {
	for l.opts.MaxAge > 0 && l.live > 0 {
		oldest := l.oldest()
		if now.Sub(oldest.stored) <= l.opts.MaxAge {
			return
		}
		l.removeFirst()
	}
}

// oldest returns the oldest record. The log must not be empty. l.mu is held.
func (l *Log) oldest() record {
	for {
		first := l.order[0]
		r := l.rooms[first.room]
		if r != nil && len(r.records) > 0 && r.records[0].Seq == first.seq {
			return r.records[0]
		}
		l.order = l.order[1:] // gone already
	}
}

// removeFirst removes the oldest record. The log must not be empty. l.mu is held.
func (l *Log) removeFirst() {
	name := l.oldest().Room
	l.removeOldest(name, l.rooms[name])
}

// removeOldest removes the oldest record of a room. l.mu is held.
func (l *Log) removeOldest(name string, r *room) {
	gone := r.records[0]
	r.records[0] = record{}
	r.records = r.records[1:]
	r.expired = gone.Seq
	l.bytes -= gone.size()
	l.live--
	if len(r.records) == 0 {
		l.forget(name, r)
	}
	if len(l.order) > 2*l.live+1000 {
		l.compact()
	}
}

// forget removes a room from the map if it has neither records nor a subscription. l.mu
// is held.
func (l *Log) forget(name string, r *room) {
	if len(r.records) == 0 && r.sub == nil {
		l.expired = max(l.expired, r.expired)
		delete(l.rooms, name)
	}
}

// compact removes the entries of removed records from l.order. l.mu is held.
func (l *Log) compact() {
	kept := make([]entry, 0, l.live)
	for _, e := range l.order {
		r := l.rooms[e.room]
		if r != nil && len(r.records) > 0 && r.records[0].Seq <= e.seq {
			kept = append(kept, e)
		}
	}
	l.order = kept
}

// beyond returns the records of a room beyond seq, and the sequence up to which records
// of the room have been removed. l.mu is held.
func (l *Log) beyond(name string, seq uint64) (records []record, expired uint64) {
	r := l.rooms[name]
	if r == nil {
		return nil, l.expired
	}
	i := sort.Search(len(r.records), func(i int) bool { return r.records[i].Seq > seq })
	return r.records[i:], r.expired
}

// Dedupe implements eventlog.Log.
func (l *Log) Dedupe() (window time.Duration, records int64) {
	window, records = eventlog.DedupeWindow, int64(dedupe.Capacity(l.opts.KeyBytes))
	if l.opts.MaxAge > 0 {
		window = min(window, l.opts.MaxAge)
	}
	if l.opts.MaxRoomMessages > 0 {
		records = min(records, l.opts.MaxRoomMessages)
	}
	return window, records
}

// After implements eventlog.Log.
func (l *Log) After(ctx context.Context, name string, seq uint64, limit, maxBytes int) (page eventlog.Page, err error) {
	err = l.lock(ctx, name)
	if err != nil {
		return page, err
	}
	defer l.mu.Unlock()
	found, expired := l.beyond(name, seq)
	size := 0
	for _, r := range found {
		size += len(r.Body)
		if len(page.Records) == limit || maxBytes > 0 && size > maxBytes && len(page.Records) > 0 {
			break
		}
		page.Records = append(page.Records, r.Record)
	}
	page.More = len(page.Records) < len(found)
	page.Gone = seq < expired
	return page, nil
}

// Before implements eventlog.Log.
func (l *Log) Before(ctx context.Context, name string, before uint64, limit, maxBytes int) (page eventlog.Page, err error) {
	err = l.lock(ctx, name)
	if err != nil {
		return page, err
	}
	defer l.mu.Unlock()
	found, _ := l.beyond(name, 0)
	if before > 0 {
		found = found[:sort.Search(len(found), func(i int) bool { return found[i].Seq >= before })]
	}
	first, size := len(found), 0
	for first > 0 && len(found)-first < limit {
		size += len(found[first-1].Body)
		if maxBytes > 0 && size > maxBytes && first < len(found) {
			break
		}
		first--
	}
	for _, r := range found[first:] {
		page.Records = append(page.Records, r.Record)
	}
	page.More = first > 0
	return page, nil
}

// Head implements eventlog.Log.
func (l *Log) Head(ctx context.Context, name string) (eventlog.Record, error) {
	err := l.lock(ctx, name)
	if err != nil {
		return eventlog.Record{}, err
	}
	defer l.mu.Unlock()
	return l.head(name), nil
}

func (l *Log) head(name string) eventlog.Record {
	r := l.rooms[name]
	if r == nil || len(r.records) == 0 {
		return eventlog.Record{}
	}
	return r.records[len(r.records)-1].Record
}

// Locate implements eventlog.Log.
func (l *Log) Locate(ctx context.Context, name string, seq uint64) (place eventlog.Place, err error) {
	err = l.lock(ctx, name)
	if err != nil {
		return place, err
	}
	defer l.mu.Unlock()
	if seq > 0 {
		at, _ := l.beyond(name, seq-1)
		if len(at) > 0 && at[0].Seq == seq {
			return eventlog.Place{State: eventlog.Present, Record: at[0].Record}, nil
		}
	}
	found, expired := l.beyond(name, seq)
	switch {
	case seq > l.seq:
		place.State = eventlog.Beyond
	case seq < expired || seq > 0 && seq == expired:
		place.State = eventlog.Expired
		if len(found) > 0 {
			place.First = found[0].Seq
		}
	default:
		place.State = eventlog.Absent
	}
	return place, nil
}

// Count implements eventlog.Log.
func (l *Log) Count(ctx context.Context, name string, seq uint64) (int, error) {
	err := l.lock(ctx, name)
	if err != nil {
		return 0, err
	}
	defer l.mu.Unlock()
	found, _ := l.beyond(name, seq)
	return len(found), nil
}

// RecentRooms implements eventlog.Log. A mark has two sequences: of the newest record and
// of the oldest.
func (l *Log) RecentRooms(ctx context.Context, since eventlog.Mark, found func(eventlog.Record)) (eventlog.Mark, error) {
	seen := uint64(0)
	if len(since) == 2 {
		seen = since[0]
	}
	heads, mark, err := l.headsAfter(ctx, seen)
	if err != nil {
		return since, err
	}
	for _, head := range heads {
		found(head)
	}
	return mark, nil
}

func (l *Log) headsAfter(ctx context.Context, seq uint64) (heads []eventlog.Record, mark eventlog.Mark, err error) {
	err = l.lock(ctx, shared.DefaultRoom)
	if err != nil {
		return nil, nil, err
	}
	defer l.mu.Unlock()
	for name := range l.rooms {
		head := l.head(name)
		if head.Seq > seq {
			heads = append(heads, head)
		}
	}
	first := l.seq + 1
	if l.live > 0 {
		first = l.oldest().Seq
	}
	return heads, eventlog.Mark{l.seq, first}, nil
}

// Expired implements eventlog.Log.
func (l *Log) Expired(at eventlog.Mark, _ string, seq uint64) bool {
	return len(at) == 2 && seq < at[1]
}

// Epoch implements eventlog.Log. A log in memory keeps its epoch for life.
func (l *Log) Epoch(string) string { return l.epoch }

// Signal implements eventlog.Log: there are no other servers.
func (l *Log) Signal(string, []byte) error { return nil }

// Shared implements eventlog.Log.
func (l *Log) Shared() bool { return false }

// Values implements eventlog.Log.
func (l *Log) Values(b eventlog.Bucket) eventlog.Values { return l.values[b] }

// Ready implements eventlog.Store.
func (l *Log) Ready(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errClosed
	}
	return nil
}

// Failed implements eventlog.Store: a log in memory does not fail.
func (l *Log) Failed() <-chan error { return nil }

// Close implements eventlog.Store.
func (l *Log) Close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	for _, v := range l.values {
		v.close()
	}
}

// subscription implements eventlog.Subscription.
type subscription struct {
	log  *Log
	room string
	to   eventlog.Subscriber
}

// Subscribe implements eventlog.Log. The subscriber is called with the log's lock
// held, by whoever appends.
func (l *Log) Subscribe(ctx context.Context, name string, s eventlog.Subscriber) (eventlog.Subscription, error) {
	err := l.lock(ctx, name)
	if err != nil {
		return nil, err
	}
	defer l.mu.Unlock()
	r := l.rooms[name]
	if r == nil {
		r = &room{expired: l.expired}
		l.rooms[name] = r
	}
	if r.sub != nil {
		return nil, fmt.Errorf("room %s has a subscription already", name)
	}
	head := l.head(name)
	if head.Seq == 0 {
		head = eventlog.Record{Room: name, Seq: l.seq}
	}
	sub := &subscription{log: l, room: name, to: s}
	r.sub = sub
	s.Start(l.epoch, head)
	return sub, nil
}

// Trusted implements eventlog.Subscription.
func (s *subscription) Trusted() bool {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return !s.log.closed
}

// Close implements eventlog.Subscription.
func (s *subscription) Close() {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	r := s.log.rooms[s.room]
	if r != nil && r.sub == s {
		r.sub = nil
		s.log.forget(s.room, r)
	}
}
