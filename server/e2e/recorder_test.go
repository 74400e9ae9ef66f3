package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"websockets/server/servertest"
	"websockets/shared"
	"websockets/wasm/client"
)

// recorder is a client with a record of its own of what it was told.
type recorder struct {
	t      *testing.T
	name   string
	client *client.Client

	mu    sync.Mutex
	texts map[string]string   // by message id
	acked []string            // texts
	shown map[string][]string // texts, by room
	news  chan struct{}       // closed and replaced when something was recorded
}

func newRecorder(t *testing.T, url, name string, rooms []string) *recorder {
	r := &recorder{t: t, name: name, texts: map[string]string{}, shown: map[string][]string{}, news: make(chan struct{})}
	c, err := client.New(client.Config{
		URL: url, Room: rooms[0],
		OnMessage: func(m shared.Message) {
			r.record(func() { r.shown[m.Room] = append(r.shown[m.Room], m.Message) })
		},
		OnAck: func(id string, _ shared.AckPayload) {
			r.record(func() { r.acked = append(r.acked, id) })
		},
		OnChange: func() { r.record(func() {}) },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, room := range rooms[1:] {
		if err := c.JoinRoom(room); err != nil {
			t.Fatal(err)
		}
	}
	r.client = c
	return r
}

func (r *recorder) run(ctx context.Context) {
	if err := r.client.Run(ctx); ctx.Err() == nil {
		r.t.Errorf("client %s gave up: %v", r.name, err)
	}
}

// start runs the recorder's client until the function that it returns is called;
// then it can be started again, and resumes.
func (r *recorder) start() (stop func()) {
	ctx, cancel := context.WithCancel(r.t.Context())
	var running sync.WaitGroup
	running.Go(func() { r.run(ctx) })
	return func() { cancel(); running.Wait() }
}

func (r *recorder) record(what func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	what()
	close(r.news)
	r.news = make(chan struct{})
}

// await waits until something recorded makes done true. done is called with the
// record locked.
func (r *recorder) await(what string, done func() bool) {
	r.t.Helper()
	deadline := time.After(servertest.Patience)
	for {
		r.mu.Lock()
		ok, news := done(), r.news
		r.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-news:
		case <-deadline:
			r.t.Fatalf("client %s waited %v for %s; it is %+v", r.name, servertest.Patience, what, r.client.View().State)
		}
	}
}

func (r *recorder) awaitJoined(rooms []string) {
	r.t.Helper()
	for _, name := range rooms {
		r.await("joining "+name, func() bool {
			room, ok := r.client.Room(name)
			return ok && room.Synced
		})
	}
}

// send writes one message. It reports whether the client took it.
func (r *recorder) send(room, text string) bool {
	r.t.Helper()
	r.mu.Lock() // before the ack can come
	defer r.mu.Unlock()
	id, err := r.client.Send(room, text)
	if err != nil {
		r.t.Errorf("sending %s: %v", text, err)
		return false
	}
	r.texts[id] = text
	return true
}

// flood writes numbered messages, each room in turn, as fast as they are acked.
func (r *recorder) flood(ctx context.Context, rooms []string) {
	for n := 0; ctx.Err() == nil; n++ {
		r.mu.Lock()
		open, news := len(r.texts)-len(r.acked), r.news
		r.mu.Unlock()
		if open >= 100 {
			n--
			select {
			case <-news:
			case <-ctx.Done():
			}
			continue
		}
		if !r.send(rooms[n%len(rooms)], fmt.Sprintf("%s-%d", r.name, n)) {
			return
		}
	}
}

// write writes numbered messages, each room in turn, 200 a second: a load that
// leaves the processors to what is measured.
func (r *recorder) write(ctx context.Context, rooms []string) {
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	for n := 0; ; n++ {
		select {
		case <-pace.C:
		case <-ctx.Done():
			return
		}
		r.mu.Lock()
		open := len(r.texts) - len(r.acked)
		r.mu.Unlock()
		if open < 300 { // the outbox has an end
			r.send(rooms[n%len(rooms)], fmt.Sprintf("%s-%d", r.name, n))
		}
	}
}

// barrier returns when the server has handled all that the client has sent: it
// handles the events of a connection in order.
func (r *recorder) barrier() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), servertest.Patience)
	defer cancel()
	if _, err := client.Call(ctx, r.client, shared.Ping, shared.Empty{}, shared.Pong); err != nil {
		r.t.Fatal(err)
	}
}

func (r *recorder) awaitSettled() {
	r.t.Helper()
	r.await("acks for all that it wrote", func() bool { return len(r.acked) == len(r.texts) })
}

func (r *recorder) awaitShown(written map[string][]string) {
	r.t.Helper()
	for room, texts := range written {
		r.await("being shown all of "+room, func() bool { return len(r.shown[room]) >= len(texts) })
	}
}

func (r *recorder) ackedCount() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.acked)
}

func (r *recorder) ackedTexts() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var texts []string
	for _, id := range r.acked {
		texts = append(texts, r.texts[id])
	}
	return texts
}

func (r *recorder) shownIn(room string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.shown[room])
}

// crowd is recorders that are in the same rooms, on one server or several.
type crowd struct {
	t         *testing.T
	rooms     []string
	recorders []*recorder
	ctx       context.Context
	stop      context.CancelFunc
	running   sync.WaitGroup
}

// gather puts a recorder at each of the addresses into the rooms.
func gather(t *testing.T, rooms []string, urls ...string) *crowd {
	t.Helper()
	c := &crowd{t: t, rooms: rooms}
	c.ctx, c.stop = context.WithCancel(t.Context())
	t.Cleanup(c.end)
	for _, url := range urls {
		c.add(url)
	}
	for _, r := range c.recorders {
		r.awaitJoined(rooms)
	}
	return c
}

func (c *crowd) add(url string) *recorder {
	c.t.Helper()
	r := newRecorder(c.t, url, fmt.Sprintf("c%d", len(c.recorders)), c.rooms)
	c.recorders = append(c.recorders, r)
	c.running.Go(func() { r.run(c.ctx) })
	return r
}

// end takes the recorders' connections down.
func (c *crowd) end() {
	c.stop()
	c.running.Wait()
}

// whileFlooding has all write to the rooms as fast as they are acked while do runs.
func (c *crowd) whileFlooding(do func()) {
	c.t.Helper()
	c.while((*recorder).flood, c.recorders, do)
}

// whileWriting has these recorders write to the rooms, evenly, while do runs.
func (c *crowd) whileWriting(recorders []*recorder, do func()) {
	c.t.Helper()
	c.while((*recorder).write, recorders, do)
}

func (c *crowd) while(write func(*recorder, context.Context, []string), recorders []*recorder, do func()) {
	c.t.Helper()
	ctx, stop := context.WithCancel(c.ctx)
	defer stop()
	var writers sync.WaitGroup
	for _, r := range recorders {
		writers.Go(func() { write(r, ctx, c.rooms) })
	}
	c.awaitAcks(recorders, 50)
	do()
	stop()
	writers.Wait()
}

// awaitAcks waits until each has got n more acks.
func (c *crowd) awaitAcks(recorders []*recorder, n int) {
	c.t.Helper()
	before := map[*recorder]int{}
	for _, r := range recorders {
		before[r] = r.ackedCount()
	}
	for _, r := range recorders {
		r.await(fmt.Sprintf("%d more acks", n), func() bool { return len(r.acked) >= before[r]+n })
	}
}

// awaitSeen waits until everything that has been acked by now has been shown to
// these recorders.
func (c *crowd) awaitSeen(by []*recorder) {
	c.t.Helper()
	missing := map[string]bool{}
	for _, r := range c.recorders {
		for _, text := range r.ackedTexts() {
			missing[text] = true
		}
	}
	for _, r := range by {
		next, left := map[string]int{}, len(missing)
		r.await("being shown all that was acked", func() bool {
			for room, texts := range r.shown {
				for _, text := range texts[next[room]:] {
					if missing[text] {
						left--
					}
				}
				next[room] = len(texts)
			}
			return left == 0
		})
	}
}

// judge waits until everything is acked and shown, and compares the recorders'
// records with the log, which a new client reads at each of the addresses. It
// returns the log too.
func (c *crowd) judge(urls ...string) (v verdict, written map[string][]string) {
	c.t.Helper()
	for _, r := range c.recorders {
		r.awaitSettled()
	}
	written = map[string][]string{}
	for _, room := range c.rooms {
		for i, url := range urls {
			texts := readAll(c.t, url, room)
			if i == 0 {
				written[room] = texts
			} else if !slices.Equal(texts, written[room]) {
				c.t.Errorf("two servers have two logs of %q: %s", room, difference(texts, written[room]))
			}
		}
	}
	for _, r := range c.recorders {
		r.awaitShown(written)
	}
	c.end()
	v = judge(c.t, c.recorders, written)
	c.t.Logf("%d messages acked, %d in the log", v.acked, v.logged)
	if v.acked == 0 {
		c.t.Error("acked messages: got none, want some")
	}
	return v, written
}

// verdict is what the clients' records say when they are laid beside the log.
type verdict struct {
	acked, logged            int
	lost, doubled, differing int
}

// judge fails the test for every acked message that is not in the log once, and
// every client that was shown another room than the log has.
func judge(t *testing.T, recorders []*recorder, written map[string][]string) (v verdict) {
	t.Helper()
	times := map[string]int{}
	for _, texts := range written {
		v.logged += len(texts)
		for _, text := range texts {
			if times[text]++; times[text] > 1 {
				v.doubled++
				t.Errorf("%q in the log: got it %d times, want once", text, times[text])
			}
		}
	}
	for _, r := range recorders {
		for _, text := range r.ackedTexts() {
			if v.acked++; times[text] == 0 {
				v.lost++
				t.Errorf("%q, which client %s got an ack for: got it 0 times in the log, want once", text, r.name)
			}
		}
		for room, texts := range written {
			if shown := r.shownIn(room); !slices.Equal(shown, texts) {
				v.differing++
				t.Errorf("room %q of client %s: got another than the log has: %s", room, r.name, difference(shown, texts))
			}
		}
	}
	return v
}

// readAll pages through a room's history from its beginning.
func readAll(t *testing.T, url, room string) []string {
	t.Helper()
	c, err := client.New(client.Config{URL: url, Room: room})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = c.Run(ctx) })
	defer running.Wait()
	defer stop()

	var texts []string
	before := uint64(0)
	for {
		page, err := callWhenOnline(ctx, c, shared.LoadHistoryPayload{Room: room, Before: before, Limit: shared.MaxHistory})
		if err != nil {
			t.Fatalf("reading the history of %s: %v", room, err)
		}
		var older []string
		for _, m := range page.Messages {
			older = append(older, m.Message)
		}
		texts = append(older, texts...)
		if !page.More {
			return texts
		}
		before = page.Messages[0].Seq
	}
}

// callWhenOnline asks for a page as soon as the client is in the room.
func callWhenOnline(ctx context.Context, c *client.Client, ask shared.LoadHistoryPayload) (shared.HistoryPayload, error) {
	if err := servertest.TryEventually(ctx, "joining "+ask.Room, func() bool { room, ok := c.Room(ask.Room); return ok && room.Synced }); err != nil {
		return shared.HistoryPayload{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, servertest.Patience)
	defer cancel()
	return client.Call(ctx, c, shared.LoadHistory, ask, shared.History)
}

// difference says where two timelines part.
func difference(got, want []string) string {
	i := 0
	for i < len(got) && i < len(want) && got[i] == want[i] {
		i++
	}
	around := func(s []string) string { return strings.Join(s[max(0, i-2):min(len(s), i+3)], " ") }
	return fmt.Sprintf("got %d messages, want %d; they part at %d: got %q, want %q", len(got), len(want), i, around(got), around(want))
}
