package memlog

import (
	"context"
	"fmt"
	"sync"

	"websockets/server/eventlog"
)

// values implements eventlog.Values.
type values struct {
	limit int64 // bytes of keys and values

	mu       sync.Mutex
	kept     map[string][]byte // by owner and key
	bytes    int64
	watchers []watcher
	closed   bool
}

type watcher struct {
	key     string
	changed func(owner string, value []byte)
}

// place returns the key of a value in kept. A key contains no NUL.
func place(owner, key string) string { return key + "\x00" + owner }

// lock locks the values. If it returns an error, they are not locked.
func (v *values) lock(ctx context.Context) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", eventlog.ErrUnavailable, ctx.Err())
	}
	v.mu.Lock()
	if v.closed {
		v.mu.Unlock()
		return errClosed
	}
	return nil
}

// Get implements eventlog.Values.
func (v *values) Get(ctx context.Context, owner, key string) ([]byte, error) {
	err := v.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer v.mu.Unlock()
	return v.kept[place(owner, key)], nil
}

// Put implements eventlog.Values.
func (v *values) Put(ctx context.Context, owner, key string, value []byte) error {
	_, err := v.Update(ctx, owner, key, func([]byte) ([]byte, bool) { return value, true })
	return err
}

// Update implements eventlog.Values.
func (v *values) Update(ctx context.Context, owner, key string, change func(old []byte) ([]byte, bool)) ([]byte, error) {
	err := v.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer v.mu.Unlock()
	at := place(owner, key)
	old, known := v.kept[at]
	value, changed := change(old)
	if !changed {
		return old, nil
	}
	grows := int64(len(value) - len(old))
	if !known {
		grows += int64(len(at))
	}
	if grows > 0 && v.bytes+grows > v.limit {
		return nil, fmt.Errorf("%w: its memory for values is full", eventlog.ErrUnavailable)
	}
	v.bytes += grows
	v.kept[at] = append([]byte{}, value...)
	for _, w := range v.watchers {
		if w.key == key {
			w.changed(owner, value)
		}
	}
	return value, nil
}

// Watch implements eventlog.Values.
func (v *values) Watch(key string, changed func(owner string, value []byte)) error {
	err := v.lock(context.Background())
	if err != nil {
		return err
	}
	defer v.mu.Unlock()
	v.watchers = append(v.watchers, watcher{key, changed})
	return nil
}

func (v *values) close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.closed = true
}
