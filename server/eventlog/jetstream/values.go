package jetstream

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"websockets/server/eventlog"
)

// userTTL is how long a user's values are kept after they were last written. It is
// longer than any session is valid.
const userTTL = 420 * 24 * time.Hour

// buckets are the key-value stores. MaxBytes bounds all values of one together. Their
// names in the store are those of existing.buckets.
var buckets = []jetstream.KeyValueConfig{
	{Bucket: string(eventlog.Server), Description: "epochs and keys", MaxBytes: 16 << 20},
	{Bucket: string(eventlog.Users), Description: "names and read marks", MaxBytes: 512 << 20, TTL: userTTL},
	{Bucket: string(eventlog.Rooms), Description: "topics", MaxBytes: 256 << 20},
}

func bucketOf(c jetstream.KeyValueConfig) eventlog.Bucket { return eventlog.Bucket(c.Bucket) }

// values implements eventlog.Values on one bucket.
type values struct {
	log      *Log
	kv       jetstream.KeyValue
	replicas int // when the log was opened
}

// Values implements eventlog.Log.
func (l *Log) Values(b eventlog.Bucket) eventlog.Values { return l.values[b] }

// openValues opens the key-value stores, creating what is missing.
func (l *Log) openValues(ctx context.Context) error {
	l.values = map[eventlog.Bucket]*values{}
	for _, b := range buckets {
		v, err := l.openBucket(ctx, b)
		if err != nil {
			return fmt.Errorf("the key-value store %s: %w", b.Bucket, err)
		}
		l.values[bucketOf(b)] = v
	}
	return nil
}

// ask calls request until it is answered, for readTimeout at most.
func (v *values) ask(ctx context.Context, request func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	return v.log.opts.retry(ctx, request)
}

// get returns what is stored under a path.
func (v *values) get(ctx context.Context, path string) (e jetstream.KeyValueEntry, err error) {
	err = v.ask(ctx, func(ctx context.Context) (err error) {
		e, err = v.kv.Get(ctx, path)
		return err
	})
	return e, err
}

// Get implements eventlog.Values.
func (v *values) Get(ctx context.Context, owner, key string) ([]byte, error) {
	e, err := v.get(ctx, valueKey(owner, key))
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("%w: reading %s: %w", ErrUnavailable, key, err)
	}
	return e.Value(), nil
}

// Put implements eventlog.Values.
func (v *values) Put(ctx context.Context, owner, key string, value []byte) error {
	err := v.log.health.err()
	if err != nil {
		return err
	}
	err = v.ask(ctx, func(ctx context.Context) error {
		_, err := v.kv.Put(ctx, valueKey(owner, key), value)
		return err
	})
	if err != nil {
		return fmt.Errorf("%w: storing %s: %w", ErrUnavailable, key, err)
	}
	return nil
}

// Update implements eventlog.Values. If it creates one of the server's values in a store
// that has messages, the value was lost, which is logged.
func (v *values) Update(ctx context.Context, owner, key string, change func(old []byte) ([]byte, bool)) ([]byte, error) {
	path := valueKey(owner, key)
	for {
		var old []byte
		var revision uint64
		e, err := v.get(ctx, path)
		switch {
		case err == nil:
			old, revision = e.Value(), e.Revision()
		case !errors.Is(err, jetstream.ErrKeyNotFound):
			return nil, fmt.Errorf("%w: reading %s: %w", ErrUnavailable, key, err)
		}
		value, changed := change(old)
		if !changed {
			return old, nil
		}
		err = v.log.health.err()
		if err != nil {
			return nil, err
		}
		err = v.ask(ctx, func(ctx context.Context) (err error) {
			if revision == 0 {
				_, err = v.kv.Create(ctx, path, value)
			} else {
				_, err = v.kv.Update(ctx, path, value, revision)
			}
			return err
		})
		switch {
		case err == nil:
			if old == nil && v.log.hadMessages && v == v.log.values[eventlog.Server] {
				v.log.opts.Logger.Error("a value was missing from a store that has messages: created it again", "value", key)
			}
			return value, nil
		case !isConflict(err):
			return nil, fmt.Errorf("%w: storing %s: %w", ErrUnavailable, key, err)
		}
		select { // another server was faster, and the replica that is read may lag behind
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: storing %s: %w", ErrUnavailable, key, ctx.Err())
		}
	}
}

// isConflict reports whether another server has written the value.
func isConflict(err error) bool {
	var refused *jetstream.APIError
	return errors.Is(err, jetstream.ErrKeyExists) ||
		errors.As(err, &refused) && refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence
}

// Watch implements eventlog.Values.
func (v *values) Watch(key string, changed func(owner string, value []byte)) error {
	pattern := "*." + key
	watcher, err := v.watch(pattern)
	if err != nil {
		return fmt.Errorf("%w: watching %s: %w", ErrUnavailable, key, err)
	}
	v.log.wg.Go(func() {
		defer func() { _ = watcher.Stop() }()
		for {
			select {
			case <-v.log.ctx.Done():
				return
			case update := <-watcher.Updates():
				if update != nil && update.Operation() == jetstream.KeyValuePut {
					changed(ownerOf(update.Key()), update.Value())
				}
			}
		}
	})
	return nil
}

// watch watches keys until the log is closed.
func (v *values) watch(pattern string) (jetstream.KeyWatcher, error) {
	for began := time.Now(); ; time.Sleep(attemptPause) {
		watcher, err := v.kv.Watch(v.log.ctx, pattern, jetstream.UpdatesOnly())
		if err == nil || !isTemporary(err) || !v.log.opts.shared() || time.Since(began) > readTimeout {
			return watcher, err
		}
	}
}

// valueKey returns the store's key of a value: OWNER.KEY, or KEY without an owner. An
// owner with anything but letters, digits, "-" and "_" is not allowed in a key, so it is
// encoded after a "=", with which no other owner begins.
func valueKey(owner, key string) string {
	if owner == "" {
		return key
	}
	for _, b := range []byte(owner) {
		if b != '-' && b != '_' && (b < '0' || b > '9') && (b < 'a' || b > 'z') && (b < 'A' || b > 'Z') {
			return "=" + base64.RawURLEncoding.EncodeToString([]byte(owner)) + "." + key
		}
	}
	return owner + "." + key
}

// ownerOf returns the owner of a key that valueKey made.
func ownerOf(key string) string {
	owner, _, _ := strings.Cut(key, ".")
	encoded, ok := strings.CutPrefix(owner, "=")
	if !ok {
		return owner
	}
	plain, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return owner
	}
	return string(plain)
}

// getOrCreate returns a value without an owner, storing what create makes if there
// is none.
func (v *values) getOrCreate(ctx context.Context, key string, create func() []byte) ([]byte, error) {
	return v.Update(ctx, "", key, func(old []byte) ([]byte, bool) {
		if old != nil {
			return nil, false
		}
		return create(), true
	})
}

// getStored returns a value without an owner that was stored before. A replica may not
// have it yet, so a value that is not found is read again, for a second.
func (v *values) getStored(ctx context.Context, key string) (jetstream.KeyValueEntry, error) {
	tries := 1
	if v.replicas > 1 {
		tries = 20
	}
	for {
		e, err := v.get(ctx, key)
		tries--
		if tries == 0 || !errors.Is(err, jetstream.ErrKeyNotFound) {
			return e, err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// openBucket opens a key-value store, creating it if it is missing.
func (l *Log) openBucket(ctx context.Context, b jetstream.KeyValueConfig) (*values, error) {
	b.Bucket = l.existing.buckets[bucketOf(b)]
	config, exists := l.existing.streams[bucketStream(b.Bucket)]
	if !exists {
		b.Replicas = l.newReplicas()
		b.Metadata = map[string]string{markKey: l.prefix()}
		kv, err := l.js.CreateKeyValue(ctx, b)
		if err == nil {
			return &values{log: l, kv: kv, replicas: b.Replicas}, nil
		}
		if !errors.Is(err, jetstream.ErrBucketExists) {
			return nil, err
		}
		created, lookErr := l.look(ctx, bucketStream(b.Bucket)) // by another server, meanwhile
		if lookErr != nil || created == nil {
			return nil, cmp.Or(lookErr, err)
		}
		config = *created
		err = l.checkMark(config)
		if err != nil {
			return nil, err
		}
	}
	config, err := l.mark(ctx, config, nil)
	if err != nil {
		return nil, err
	}
	kv, err := l.js.KeyValue(ctx, b.Bucket)
	if err != nil {
		return nil, err
	}
	l.compared = append(l.compared, part{stream: l.readerOf(config), have: config, want: l.wantedBucket(config, b)})
	return &values{log: l, kv: kv, replicas: config.Replicas}, nil
}

// readerOf returns a reader of the stream that is a bucket.
func (l *Log) readerOf(c jetstream.StreamConfig) *stream {
	s := &stream{name: c.Name, opts: &l.opts, conn: l.conn, reads: l.reads}
	s.settings.Store(settingsOf(c))
	return s
}
