package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"websockets/server/eventlog"
)

// directGet is a request of JetStream's direct get API. With Batch or LastOf the
// response has any number of messages and an end marker.
type directGet struct {
	Seq     uint64   `json:"seq,omitempty"`
	LastFor string   `json:"last_by_subj,omitempty"`
	NextFor string   `json:"next_by_subj,omitempty"`
	LastOf  []string `json:"multi_last,omitempty"`
	Batch   int      `json:"batch,omitempty"`
	// Since is the earliest time of the message to begin with.
	Since    *time.Time `json:"start_time,omitempty"`
	MaxBytes int        `json:"max_bytes,omitempty"`
}

// response is the response to a directGet.
type response struct {
	entries []entry
	pending int    // how many more messages match the request
	upTo    uint64 // with LastOf: how far the replica's stream went; 0 if it does not say
}

// errTooMany means that LastOf matches more subjects than JetStream responds to.
var errTooMany = errors.New("too many rooms for one request")

// getOne returns one message; its Seq is 0 if there is none. With replicas it asks
// the stream's leader: another replica may not have the message yet.
func (s *stream) getOne(ctx context.Context, get directGet) (eventlog.Record, error) {
	e, err := s.getEntry(ctx, get)
	return e.Record, err
}

// getEntry is getOne, with what the store says about the record.
func (s *stream) getEntry(ctx context.Context, get directGet) (e entry, err error) {
	err = s.read(ctx, func(ctx context.Context) error {
		if s.settings.Load().Replicas > 1 {
			e, err = s.fetchFromLeader(ctx, get)
			return err
		}
		r, err := s.fetch(ctx, get)
		if len(r.entries) > 0 {
			e = r.entries[0]
		}
		return err
	})
	return e, err
}

// getMany returns the response of any replica. One that is incomplete is an error,
// never a shorter response: that would be a hole in somebody's timeline.
func (s *stream) getMany(ctx context.Context, get directGet) (r response, err error) {
	err = s.read(ctx, func(ctx context.Context) error {
		r, err = s.fetch(ctx, get)
		return err
	})
	return r, err
}

// read calls fetch with a slot of reads, until it succeeds or fails, for at most
// readTimeout.
func (s *stream) read(ctx context.Context, fetch func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	select {
	case s.reads <- struct{}{}:
		defer func() { <-s.reads }()
	case <-ctx.Done():
		return fmt.Errorf("%w: too many reads: %w", ErrUnavailable, ctx.Err())
	}
	err := s.opts.retry(ctx, fetch)
	if err != nil {
		return fmt.Errorf("%w: reading %s: %w", ErrUnavailable, s.name, err)
	}
	return nil
}

// retry calls request, for attemptTimeout each time, until it is answered or ctx ends.
// While a cluster elects a leader, requests are lost or find nobody who answers them.
func (o *Options) retry(ctx context.Context, request func(context.Context) error) error {
	for {
		attempt, cancel := context.WithTimeout(ctx, attemptTimeout)
		err := request(attempt)
		cancel()
		if ctx.Err() != nil || !isUnanswered(err) {
			return err
		}
		if errors.Is(err, context.DeadlineExceeded) {
			continue
		}
		if !o.shared() { // nobody will be elected
			return err
		}
		select {
		case <-time.After(attemptPause):
		case <-ctx.Done():
			return err
		}
	}
}

// fetchFromLeader gets one message by the stream's own API, which only its leader
// serves.
func (s *stream) fetchFromLeader(ctx context.Context, get directGet) (entry, error) {
	request, err := json.Marshal(get)
	if err != nil {
		return entry{}, err
	}
	reply, err := s.conn.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+s.name, request)
	if err != nil {
		return entry{}, err
	}
	var got struct {
		Error   *jetstream.APIError
		Message struct {
			Subject string
			Seq     uint64
			Hdrs    []byte
			Data    []byte
			Time    string
		}
	}
	err = json.Unmarshal(reply.Data, &got)
	m := got.Message
	switch {
	case err != nil:
		return entry{}, err
	case got.Error == nil:
		record := eventlog.Record{Room: roomOf(m.Subject), Seq: m.Seq, Body: m.Data}
		return entry{Record: record, key: keyOf(m.Hdrs), stored: m.Time}, nil
	case got.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return entry{}, nil
	default:
		return entry{}, got.Error
	}
}

// keyOf returns the key in a message's encoded headers, empty if it has none.
func keyOf(headers []byte) string {
	decoded, err := nats.DecodeHeadersMsg(headers)
	if err != nil {
		return ""
	}
	return decoded.Get(jetstream.MsgIDHeader)
}

// fetch gets messages by the direct get API, which every replica serves.
func (s *stream) fetch(ctx context.Context, get directGet) (r response, err error) {
	request, err := json.Marshal(get)
	if err != nil {
		return r, err
	}
	inbox := s.conn.NewInbox()
	sub, err := s.conn.SubscribeSync(inbox)
	if err != nil {
		return r, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	err = s.conn.PublishRequest("$JS.API.DIRECT.GET."+s.name, inbox, request)
	if err != nil {
		return r, err
	}
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return r, err
		}
		status := m.Header.Get("Status")
		switch status {
		case "":
		case "204": // the end marker
			r.pending, err = strconv.Atoi(m.Header.Get("Nats-Num-Pending"))
			if err == nil && get.LastOf != nil {
				r.upTo, err = strconv.ParseUint(m.Header.Get("Nats-UpTo-Sequence"), 10, 64)
			}
			return r, err
		case "404": // nothing matches
			return r, nil
		case "413":
			return r, errTooMany
		default:
			return r, fmt.Errorf("direct get: %s %s", status, m.Header.Get("Description"))
		}
		e, err := parseStored(m)
		if err != nil {
			return r, err
		}
		r.entries = append(r.entries, e)
		if get.Batch == 0 && get.LastOf == nil {
			return r, nil
		}
	}
}

// parseStored reads a message of a response.
func parseStored(m *nats.Msg) (entry, error) {
	seq, err := strconv.ParseUint(m.Header.Get(jetstream.SequenceHeader), 10, 64)
	if err != nil {
		return entry{}, fmt.Errorf("a message without a sequence: %w", err)
	}
	pending, _ := strconv.Atoi(m.Header.Get("Nats-Num-Pending")) // only with Batch
	record := eventlog.Record{Room: roomOf(m.Header.Get(jetstream.SubjectHeader)), Seq: seq, Body: m.Data}
	return entry{
		Record: record, pending: pending,
		key: m.Header.Get(jetstream.MsgIDHeader), stored: m.Header.Get(jetstream.TimeStampHeaer),
	}, nil
}
