package jetstream

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// part is a stream of the store, or a bucket, beside what Options say.
type part struct {
	shard      *shard // nil for a bucket
	stream     *stream
	have, want jetstream.StreamConfig
}

// setting is a kind of setting, and the parts that have it.
type setting struct {
	name  string // as an operator knows it
	text  func(jetstream.StreamConfig) string
	parts []part
	// count returns how many messages the wanted setting deletes. It is nil if the setting
	// deletes nothing.
	count func(context.Context, part) (uint64, error)
}

// allSettings returns the settings that are compared.
func (l *Log) allSettings() (all []setting) {
	shards := slices.DeleteFunc(slices.Clone(l.compared), func(p part) bool { return p.shard == nil })
	total := func(c jetstream.StreamConfig) string { return sizeText(c.MaxBytes * int64(len(shards))) }
	storage := func(c jetstream.StreamConfig) string { return strings.ToLower(c.Storage.String()) }
	all = []setting{
		{"--replicas", func(c jetstream.StreamConfig) string { return strconv.Itoa(c.Replicas) }, l.compared, nil},
		{"--max-bytes", total, shards, countAboveSize},
		{"--max-age", func(c jetstream.StreamConfig) string { return ageText(c.MaxAge) }, shards, countOlder},
		{"--max-room-messages", func(c jetstream.StreamConfig) string { return countText(c.MaxMsgsPerSubject) }, shards, countAboveRooms},
		{"messages of a shard", func(c jetstream.StreamConfig) string { return countText(c.MaxMsgs) }, shards, nil},
		{"when it is full", func(c jetstream.StreamConfig) string { return discardText(c.Discard) }, shards, nil},
		{"duplicates are detected for", func(c jetstream.StreamConfig) string { return ageText(c.Duplicates) }, shards, nil},
		{"storage", storage, l.compared, nil},
	}
	for _, p := range l.compared {
		if p.shard != nil {
			continue
		}
		bucket := "the bucket " + strings.TrimPrefix(p.have.Name, bucketStream(""))
		all = append(all,
			setting{"size of " + bucket, func(c jetstream.StreamConfig) string { return sizeText(c.MaxBytes) }, []part{p}, nil},
			setting{"age of values in " + bucket, func(c jetstream.StreamConfig) string { return ageText(c.MaxAge) }, []part{p}, countOlder},
			setting{"when full: " + bucket, func(c jetstream.StreamConfig) string { return discardText(c.Discard) }, []part{p}, nil},
		)
	}
	return all
}

func discardText(d jetstream.DiscardPolicy) string {
	if d == jetstream.DiscardNew {
		return "new ones are refused"
	}
	return "the oldest are deleted"
}

// compareSettings logs each setting of the store that is not what Options say. With
// Options.ApplySettings it then changes them.
func (l *Log) compareSettings(ctx context.Context) error {
	for _, p := range l.compared {
		if l.opts.ApplySettings && p.have.Storage != p.want.Storage {
			return fmt.Errorf("the stream %s is kept in memory, which NATS cannot change: start without --apply-settings, or %s", p.have.Name, l.elsewhere())
		}
	}
	changes := false
	for _, s := range l.allSettings() {
		differs, err := l.compareSetting(ctx, s)
		if err != nil {
			return err
		}
		changes = changes || differs
	}
	if !l.opts.ApplySettings {
		return nil
	}
	for _, p := range l.compared {
		err := l.apply(ctx, p)
		if err != nil {
			return err
		}
	}
	if changes {
		l.opts.Logger.Warn("changed the settings of the store (--apply-settings): start without it the next time")
	}
	return nil
}

// checkUsable returns an error if a shard's stream has a setting without which it cannot
// be used. With Options.ApplySettings it changes those, which deletes nothing.
func (l *Log) checkUsable(ctx context.Context, have, want jetstream.StreamConfig) (jetstream.StreamConfig, error) {
	if slices.Equal(have.Subjects, want.Subjects) && reflect.DeepEqual(have.RePublish, want.RePublish) && have.AllowDirect {
		return have, nil
	}
	if !l.opts.ApplySettings {
		return have, fmt.Errorf("the stream %s does not take, republish and give out messages as this program needs it: start once with --apply-settings to change that", have.Name)
	}
	l.opts.Logger.Warn("changing subjects, republishing and direct reads of a stream (--apply-settings)", "stream", have.Name)
	have.Subjects, have.RePublish, have.AllowDirect = want.Subjects, want.RePublish, want.AllowDirect
	return l.updateStream(ctx, have)
}

// compareSetting logs in one line how a setting of the store differs from what Options
// say, and with Options.ApplySettings what changing it deletes.
func (l *Log) compareSetting(ctx context.Context, s setting) (differs bool, err error) {
	var have, want, streams []string
	var deleted deletion
	for _, p := range s.parts {
		if s.text(p.have) == s.text(p.want) {
			continue
		}
		have, want, streams = append(have, s.text(p.have)), append(want, s.text(p.want)), append(streams, p.have.Name)
		if !l.opts.ApplySettings || s.count == nil {
			continue
		}
		err := deleted.add(ctx, p, s.count)
		if err != nil {
			return false, fmt.Errorf("counting what %s %s deletes from %s: %w", s.name, s.text(p.want), p.have.Name, err)
		}
	}
	if len(have) == 0 {
		return false, nil
	}
	args := []any{"setting", s.name, "store", oneOfEach(have), "wanted", oneOfEach(want)}
	if len(streams) < len(s.parts) {
		args = append(args, "streams", streams)
	}
	if l.opts.ApplySettings {
		l.opts.Logger.Warn("changing a setting of the store (--apply-settings)", append(args, "deletes", deleted.String())...)
		return true, nil
	}
	l.opts.Logger.Warn("the store has another setting: going on with the store's; --apply-settings would change it", args...)
	return true, nil
}

func oneOfEach(texts []string) string {
	slices.Sort(texts)
	return strings.Join(slices.Compact(texts), ", ")
}

// apply gives a part of the store what Options say.
func (l *Log) apply(ctx context.Context, p part) error {
	if reflect.DeepEqual(p.have, p.want) {
		return nil
	}
	if p.shard != nil {
		// As it is with the old settings: what is removed from here on, the new ones explain.
		err := p.shard.storeCheckpoint(ctx)
		if err != nil {
			return err
		}
	}
	changed, err := l.updateStream(ctx, p.want)
	if err != nil {
		return fmt.Errorf("--apply-settings: %w", err)
	}
	p.stream.settings.Store(settingsOf(changed))
	return nil
}

// deletion is what a new setting deletes.
type deletion struct {
	messages, of uint64
	bytes        uint64
	oldest       time.Time
}

// add counts what a setting deletes from one part.
func (d *deletion) add(ctx context.Context, p part, count func(context.Context, part) (uint64, error)) error {
	state, err := p.stream.state(ctx)
	if err != nil {
		return err
	}
	messages, err := count(ctx, p)
	if err != nil {
		return err
	}
	d.of += state.Messages
	if messages == 0 {
		return nil
	}
	d.messages += messages
	d.bytes += uint64(float64(state.Bytes) / float64(state.Messages) * float64(messages))
	if d.oldest.IsZero() || state.FirstTime.Before(d.oldest) {
		d.oldest = state.FirstTime
	}
	return nil
}

func (d *deletion) String() string {
	if d.messages == 0 {
		return "nothing"
	}
	return fmt.Sprintf("%d of %d messages, about %d bytes, up to %v old", d.messages, d.of, d.bytes, time.Since(d.oldest).Round(time.Second))
}

// countAboveSize estimates from the average size how many messages are above the wanted
// size.
func countAboveSize(ctx context.Context, p part) (uint64, error) {
	state, err := p.stream.state(ctx)
	if err != nil || p.want.MaxBytes <= 0 || state.Bytes <= uint64(p.want.MaxBytes) {
		return 0, err
	}
	above := float64(state.Bytes-uint64(p.want.MaxBytes)) / float64(state.Bytes)
	return max(1, uint64(above*float64(state.Messages))), nil
}

// countOlder counts the messages that are older than wanted.
func countOlder(ctx context.Context, p part) (uint64, error) {
	if p.want.MaxAge <= 0 {
		return 0, nil
	}
	state, err := p.stream.state(ctx)
	if err != nil {
		return 0, err
	}
	from := time.Now().Add(-p.want.MaxAge)
	kept, err := p.stream.getMany(ctx, directGet{Since: &from, NextFor: ">", Batch: 1})
	if err != nil {
		return 0, err
	}
	return state.Messages - min(state.Messages, uint64(len(kept.entries)+kept.pending)), nil
}

// countAboveRooms counts the messages that rooms have above the wanted number.
func countAboveRooms(ctx context.Context, p part) (above uint64, err error) {
	if p.want.MaxMsgsPerSubject <= 0 {
		return 0, nil
	}
	for offset := 0; ; {
		rooms, total, err := p.stream.roomSizes(ctx, offset)
		if err != nil {
			return 0, err
		}
		for _, n := range rooms {
			above += uint64(max(0, n-p.want.MaxMsgsPerSubject))
		}
		offset += len(rooms)
		if offset >= total || len(rooms) == 0 {
			return above, nil
		}
	}
}

// roomSizes returns how many messages rooms have, some of them for each offset, and how
// many rooms there are.
func (s *stream) roomSizes(ctx context.Context, offset int) (rooms map[string]int64, total int, err error) {
	request, _ := json.Marshal(map[string]any{"subjects_filter": s.names.room(s.number, "*"), "offset": offset}) // cannot fail
	var reply *nats.Msg
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	err = s.opts.retry(ctx, func(ctx context.Context) (err error) {
		reply, err = s.conn.RequestWithContext(ctx, "$JS.API.STREAM.INFO."+s.name, request)
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	var info struct {
		Error *jetstream.APIError
		State streamState
		Total int
	}
	err = json.Unmarshal(reply.Data, &info)
	if err == nil && info.Error != nil {
		err = info.Error
	}
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return info.State.Subjects, info.Total, nil
}
