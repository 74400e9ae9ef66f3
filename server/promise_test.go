package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"websockets/server/servertest"
	"websockets/shared"
	"websockets/wasm/client"
)

var (
	promiseKills = flag.Int("promise.kills", 10, "how often TestAckedMessagesSurviveKills kills the server")
	promiseSeed  = flag.Uint64("promise.seed", 0, "its seed; 0 makes one up")
)

// TestAckedMessagesSurviveKills is the first promise, broken on purpose: clients
// flood a real server process that is killed with SIGKILL at random moments and
// started again on the same data. By the clients' own records, not the server's:
// every acked message is in the log once, every client was shown every room's
// messages once and in the same order, and all resumed by themselves.
func TestAckedMessagesSurviveKills(t *testing.T) {
	seed := *promiseSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d: repeat with -promise.seed=%d", seed, seed)
	random := rand.New(rand.NewPCG(seed, 0))

	const clients = 4
	rooms := []string{"one", "two", "three"}
	server := servertest.Start(t, "--rate", "0")
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	recorders := make([]*recorder, clients)
	for i := range recorders {
		recorders[i] = newRecorder(t, server.WS(), fmt.Sprintf("c%d", i), rooms)
		running.Go(func() { recorders[i].run(ctx) })
	}
	for _, r := range recorders {
		r.awaitJoined(rooms)
	}

	flooding, endFlood := context.WithCancel(ctx)
	var floods sync.WaitGroup
	for _, r := range recorders {
		floods.Go(func() { r.flood(flooding, rooms) })
	}
	for kill := range *promiseKills {
		// Not a wait for something to happen: the moment of the kill is the dice's.
		pause := time.NewTimer(time.Duration(200+random.IntN(1200)) * time.Millisecond)
		<-pause.C
		server.Kill()
		acked := 0
		for _, r := range recorders {
			acked += r.ackedCount()
		}
		t.Logf("kill %d: %d messages acked so far", kill+1, acked)
		server.Start()
	}
	endFlood()
	floods.Wait()
	for _, r := range recorders {
		r.awaitSettled()
	}

	// A client that was never there reads the rooms from their beginning.
	written := map[string][]string{}
	for _, room := range rooms {
		written[room] = readAll(t, server.WS(), room)
	}
	for _, r := range recorders {
		r.awaitShown(written)
	}
	stop()
	running.Wait()

	v := judge(t, recorders, written)
	if v.acked < *promiseKills*20 {
		t.Errorf("only %d messages were acked: this run proves little", v.acked)
	}
	t.Logf("%d kills, %d messages acked, %d in the log", *promiseKills, v.acked, v.logged)
}

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
	deadline := time.After(2 * time.Minute)
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
			r.t.Fatalf("client %s: %s did not happen; it is %+v", r.name, what, r.client.View().State)
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
		text := fmt.Sprintf("%s-%d", r.name, n)
		r.mu.Lock() // before the ack can come
		id, err := r.client.Send(rooms[n%len(rooms)], text)
		r.texts[id] = text
		r.mu.Unlock()
		if err != nil {
			r.t.Errorf("sending %s: %v", text, err)
			return
		}
	}
}

func (r *recorder) awaitSettled() {
	r.t.Helper()
	r.await("an ack for everything that was written", func() bool { return len(r.acked) == len(r.texts) })
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
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		if room, ok := c.Room(ask.Room); ok && room.Synced {
			return client.Call(ctx, c, shared.LoadHistory, ask, shared.History)
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return shared.HistoryPayload{}, ctx.Err()
		}
	}
}

// difference says where two timelines part.
func difference(got, want []string) string {
	i := 0
	for i < len(got) && i < len(want) && got[i] == want[i] {
		i++
	}
	around := func(s []string) string { return strings.Join(s[max(0, i-2):min(len(s), i+3)], " ") }
	return fmt.Sprintf("%d and %d messages, at %d %q and %q", len(got), len(want), i, around(got), around(want))
}
