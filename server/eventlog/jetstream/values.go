package jetstream

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// userTTL is how long a user's values are kept after they were last written: for
// longer than any session of his is valid.
const userTTL = 420 * 24 * time.Hour

func (l *Log) openValues(ctx context.Context) (err error) {
	l.values, err = l.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: "server", Description: "epochs and keys", MaxBytes: 16 << 20, Replicas: l.opts.Replicas,
	})
	if err != nil {
		return fmt.Errorf("the server's values: %w", err)
	}
	l.users, err = l.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: "users", Description: "names and read marks", MaxBytes: 512 << 20, TTL: userTTL, Replicas: l.opts.Replicas,
	})
	if err != nil {
		return fmt.Errorf("the users' values: %w", err)
	}
	return nil
}

// Value returns what the store keeps under key, storing what fresh makes if it
// is the first to ask. All servers on one store get the same. A value that has to
// be made for a store that has messages was lost, which is logged.
func (l *Log) Value(ctx context.Context, key string, fresh func() []byte) ([]byte, error) {
	return l.SwapValue(ctx, key, func(old []byte) ([]byte, bool) {
		if old != nil {
			return nil, false
		}
		return fresh(), true
	})
}

// UserValue returns what is kept for a user under key, nil if nothing is.
func (l *Log) UserValue(ctx context.Context, user, key string) ([]byte, error) {
	e, err := l.users.Get(ctx, userKey(user, key))
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("%w: reading %s: %w", ErrUnavailable, key, err)
	}
	return e.Value(), nil
}

// PutUserValue keeps a value for a user; it is on disk when this returns.
func (l *Log) PutUserValue(ctx context.Context, user, key string, value []byte) error {
	if err := l.broken(); err != nil {
		return err
	}
	if _, err := l.users.Put(ctx, userKey(user, key), value); err != nil {
		return fmt.Errorf("%w: storing %s: %w", ErrUnavailable, key, err)
	}
	return nil
}

// WatchUserValue calls changed, on one goroutine until Close, with every value that
// any server puts under key from now on.
func (l *Log) WatchUserValue(key string, changed func(user string, value []byte)) error {
	watcher, err := l.users.Watch(l.ctx, "*."+key, jetstream.UpdatesOnly())
	if err != nil {
		return fmt.Errorf("%w: watching %s: %w", ErrUnavailable, key, err)
	}
	l.wg.Go(func() {
		defer func() { _ = watcher.Stop() }()
		for {
			select {
			case <-l.ctx.Done():
				return
			case update := <-watcher.Updates():
				if update != nil && update.Operation() == jetstream.KeyValuePut {
					changed(userOf(update.Key()), update.Value())
				}
			}
		}
	})
	return nil
}

// userKey is where a user's value is. A user's id may be anything, and not all of
// it may be in a key: what is not letters, digits, - and _ is encoded, behind an =
// that is in no other id.
func userKey(user, key string) string {
	for _, b := range []byte(user) {
		if b != '-' && b != '_' && (b < '0' || b > '9') && (b < 'a' || b > 'z') && (b < 'A' || b > 'Z') {
			return "=" + base64.RawURLEncoding.EncodeToString([]byte(user)) + "." + key
		}
	}
	return user + "." + key
}

// serverValue returns what the store keeps under key, which was stored before. The
// replica that answers may not have heard of it yet, so a value that is not found is
// asked for again, for a second.
func (l *Log) serverValue(ctx context.Context, key string) (jetstream.KeyValueEntry, error) {
	tries := 1
	if l.opts.Replicas > 1 {
		tries = 20
	}
	for {
		e, err := l.values.Get(ctx, key)
		if tries--; tries == 0 || !errors.Is(err, jetstream.ErrKeyNotFound) {
			return e, err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// SwapValue changes what the store keeps under key: change gets what is there, nil
// if nothing is, and returns what is to be there, or false to leave it. It is
// called again if another server was faster. SwapValue returns what is there in
// the end.
func (l *Log) SwapValue(ctx context.Context, key string, change func(old []byte) ([]byte, bool)) ([]byte, error) {
	for {
		var old []byte
		var revision uint64
		e, err := l.values.Get(ctx, key)
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
		if revision == 0 {
			_, err = l.values.Create(ctx, key, value)
		} else {
			_, err = l.values.Update(ctx, key, value, revision)
		}
		var refused *jetstream.APIError
		switch {
		case err == nil:
			if old == nil && l.used {
				l.opts.Logger.Error("a value of the server is lost, though the store is not new: it is made anew", "value", key)
			}
			return value, nil
		case errors.Is(err, jetstream.ErrKeyExists), errors.As(err, &refused) && refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence:
			select { // another server was faster, and the replica that we read may not know yet
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
				return nil, fmt.Errorf("%w: storing %s: %w", ErrUnavailable, key, ctx.Err())
			}
		default:
			return nil, fmt.Errorf("%w: storing %s: %w", ErrUnavailable, key, err)
		}
	}
}

// userOf returns the user whose value is at a key of userKey's.
func userOf(key string) string {
	user, _, _ := strings.Cut(key, ".")
	if encoded, ok := strings.CutPrefix(user, "="); ok {
		if plain, err := base64.RawURLEncoding.DecodeString(encoded); err == nil {
			return string(plain)
		}
	}
	return user
}
