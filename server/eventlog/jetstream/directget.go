package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"websockets/server/eventlog"
)

// directGet is a request of JetStream's direct get API. With Batch or LastOf
// the answer is a batch, which ends with an end marker.
type directGet struct {
	Seq      uint64   `json:"seq,omitempty"`
	LastFor  string   `json:"last_by_subj,omitempty"`
	NextFor  string   `json:"next_by_subj,omitempty"`
	LastOf   []string `json:"multi_last,omitempty"`
	Batch    int      `json:"batch,omitempty"`
	MaxBytes int      `json:"max_bytes,omitempty"`
}

// page is an answer; pending is how many more match the request, upTo is how far
// the log went for the one who answered a request with LastOf, 0 if it does not
// say.
type page struct {
	entries []entry
	pending int
	upTo    uint64
}

// one asks for one message; its Seq is 0 if there is none. With replicas it asks
// the stream's leader: another may not have the message yet, and then that it is
// not there would mean nothing.
func (s *stream) one(ctx context.Context, get directGet) (r eventlog.Record, err error) {
	err = s.limited(ctx, func(ctx context.Context) error {
		if s.opts.Replicas > 1 {
			r, err = s.askLeader(ctx, get)
			return err
		}
		p, err := s.request(ctx, get)
		if len(p.entries) > 0 {
			r = p.entries[0].Record
		}
		return err
	})
	return r, err
}

// direct asks the stream, whichever replica answers. An answer that does
// not arrive whole is an error, never a shorter answer: to take one for the other
// would be a hole in somebody's timeline.
func (s *stream) direct(ctx context.Context, get directGet) (p page, err error) {
	err = s.limited(ctx, func(ctx context.Context) error {
		p, err = s.request(ctx, get)
		return err
	})
	return p, err
}

// limited reads when it is this read's turn, for at most readTimeout.
func (s *stream) limited(ctx context.Context, read func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	select {
	case s.reads <- struct{}{}:
		defer func() { <-s.reads }()
	case <-ctx.Done():
		return fmt.Errorf("%w: reading: %w", ErrUnavailable, ctx.Err())
	}
	if err := persist(ctx, read); err != nil {
		return fmt.Errorf("%w: reading %s: %w", ErrUnavailable, s.name, err)
	}
	return nil
}

// persist asks until there is an answer, be it an error, or ctx ends.
func persist(ctx context.Context, ask func(context.Context) error) error {
	for {
		attempt, cancel := context.WithTimeout(ctx, askAgain)
		err := ask(attempt)
		cancel()
		if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
}

// askLeader asks for one message through the stream's API, which only its leader
// answers.
func (s *stream) askLeader(ctx context.Context, get directGet) (eventlog.Record, error) {
	request, err := json.Marshal(get)
	if err != nil {
		return eventlog.Record{}, err
	}
	m, err := s.conn.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+s.name, request)
	if err != nil {
		return eventlog.Record{}, err
	}
	var answer struct {
		Error   *jetstream.APIError
		Message struct {
			Subject string
			Seq     uint64
			Data    []byte
		}
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return eventlog.Record{}, err
	}
	switch {
	case answer.Error == nil:
		return eventlog.Record{Room: roomOf(answer.Message.Subject), Seq: answer.Message.Seq, Body: answer.Message.Data}, nil
	case answer.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return eventlog.Record{}, nil
	default:
		return eventlog.Record{}, answer.Error
	}
}

func (s *stream) request(ctx context.Context, get directGet) (p page, err error) {
	request, err := json.Marshal(get)
	if err != nil {
		return p, err
	}
	inbox := s.conn.NewInbox()
	sub, err := s.conn.SubscribeSync(inbox)
	if err != nil {
		return p, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := s.conn.PublishRequest("$JS.API.DIRECT.GET."+s.name, inbox, request); err != nil {
		return p, err
	}
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return p, err
		}
		switch status := m.Header.Get("Status"); status {
		case "":
		case "204": // end of the batch
			if p.pending, err = strconv.Atoi(m.Header.Get("Nats-Num-Pending")); err == nil && get.LastOf != nil {
				p.upTo, err = strconv.ParseUint(m.Header.Get("Nats-UpTo-Sequence"), 10, 64)
			}
			return p, err
		case "404": // nothing there
			return p, nil
		case "413":
			return p, errTooMany
		default:
			return p, fmt.Errorf("the store answered %s %s", status, m.Header.Get("Description"))
		}
		e, err := storedEntry(m)
		if err != nil {
			return p, err
		}
		p.entries = append(p.entries, e)
		if get.Batch == 0 && get.LastOf == nil {
			return p, nil
		}
	}
}

func storedEntry(m *nats.Msg) (entry, error) {
	seq, err := strconv.ParseUint(m.Header.Get(jetstream.SequenceHeader), 10, 64)
	if err != nil {
		return entry{}, fmt.Errorf("a message without a sequence: %w", err)
	}
	left, _ := strconv.Atoi(m.Header.Get("Nats-Num-Pending")) // only in a batch
	record := eventlog.Record{Room: roomOf(m.Header.Get(jetstream.SubjectHeader)), Seq: seq, Body: m.Data}
	return entry{Record: record, left: left}, nil
}
