//go:build unix

package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"websockets/server/servertest"
	"websockets/shared"
)

// TestReturnAfterAHundredThousandMessages: clients that come back, after a
// hundred thousand messages and two restarts of the server, get exactly what they
// missed, in order. That holds up neither what is live on the same connection nor
// anybody else, and the server's memory does not grow with it.
func TestReturnAfterAHundredThousandMessages(t *testing.T) {
	const missed, returning = 100_000, 3
	server := servertest.Start(t, "--rate", "0", "--fsync", "interval")
	record := map[string][]stored{}
	put := func(room, name string, n int) {
		senders := connectAll(t, server.Addr, 2, way{room: room})
		record[room] = append(record[room], floodRoom(t, senders, room, name, n, 60, func(id string) string { return id })...)
		closeAll(senders)
	}

	// All have been here before: the raw clients and a real one.
	rooms := []string{"big", "few", "quiet", "filled", "empty"}
	states := []string{shared.StateRecovered, shared.StateRecovered, shared.StateCurrent, shared.StateRecovered, shared.StateCurrent}
	for _, room := range []string{"big", "few", "quiet"} {
		put(room, "seen", 20)
	}
	user := newRecorder(t, server.WS(), "user", rooms)
	leave := user.start()
	user.awaitJoined(rooms)
	leave()
	cursors := map[string]shared.Cursor{}
	guest := connect(t, server.Addr, way{room: "live"})
	for _, room := range rooms {
		cursors[room] = enter(guest, room)
	}

	put("big", "first", missed/2)
	server.Kill()
	server.Start()
	put("big", "second", missed/2)
	put("few", "later", 10)
	put("filled", "later", 10)
	server.Stop()
	server.Start()

	// In the room "live" one talks and the others listen: at first only that, then
	// while those who have returned get what they missed.
	talker := connect(t, server.Addr, way{room: "live"})
	bystander := listen(connect(t, server.Addr, way{room: "live"}), "live")
	said := 0
	say := func() {
		said++
		if _, err := talker.flood("live", fmt.Sprint("said-", said), 1, 1, func(string) string { return stamp(100) }); err != nil {
			t.Fatal(err)
		}
	}
	back := make([]*returner, returning)
	for i := range back {
		back[i] = &returner{raw: connect(t, server.Addr, way{room: "live"}), cursors: cursors}
	}
	for range 200 {
		say()
	}
	bystander.await(said)
	alone, before := p99(bystander.latest(said)), memory(t, server)

	saidBefore, peak, begin := said, before, time.Now()
	var running sync.WaitGroup
	var open atomic.Int64
	open.Add(returning)
	for _, r := range back {
		running.Go(func() { defer open.Add(-1); r.run() })
	}
	for open.Load() > 0 {
		say()
		peak = max(peak, memory(t, server))
	}
	running.Wait()
	took := time.Since(begin)
	bystander.await(said)
	besides := p99(bystander.latest(said - saidBefore))

	var late []time.Duration
	for i, r := range back {
		if r.err != nil {
			t.Fatalf("returning client %d: %v", i, r.err)
		}
		late = append(late, r.late...)
		for i, room := range rooms {
			want := beyond(record[room], cursors[room].Seq)
			if p := parting(r.got[room], want); p != "" {
				t.Errorf("in %s %s", room, p)
			}
			if joined := r.joined[room]; joined.State != states[i] || joined.Cursor != cursors[room] {
				t.Errorf("%s is joined as %s at %+v, want %s at %+v", room, joined.State, joined.Cursor, states[i], cursors[room])
			}
			if n := len(want); n > 0 && (r.synced[room].Seq != want[n-1].seq || r.synced[room].ID != want[n-1].id) {
				t.Errorf("%s is synced at %+v, want %+v", room, r.synced[room], want[n-1])
			}
		}
	}
	t.Logf("%d clients had %d messages each after %v; what was live meanwhile took %v on their connections and %v on another, p99, and %v before; memory went from %d to %d MB",
		returning, missed, took, p99(late), besides, alone, before>>20, peak>>20)
	// Live after missed, on the one connection or for all, would be as late as the
	// catching up takes.
	if p99(late) > took/8 {
		t.Errorf("while a client caught up for %v, what was live on its connection was %v late", took, p99(late))
	}
	if besides > 2*alone+took/20 {
		t.Errorf("while others caught up for %v, what was live was %v late, %v before", took, besides, alone)
	}
	// What was missed is 25 MB. The store keeps blocks that it has read for a while,
	// once for all readers, and the heap may be twice what is in use: so it must be
	// a good deal less than what would be held if it were read for each.
	if bound := int64(96 << 20); peak-before > bound {
		t.Errorf("the server's memory grew by %d MB, want at most %d", (peak-before)>>20, bound>>20)
	}

	leave = user.start()
	defer leave()
	for _, room := range rooms {
		user.await("being shown all of "+room, func() bool { return len(user.shown[room]) >= len(record[room]) })
		if got, want := user.shownIn(room), idsOf(record[room]); !slices.Equal(got, want) {
			t.Errorf("the real client was shown another %s: %s", room, difference(got, want))
		}
	}
}

// returner is a raw client that comes back to several rooms while another one is
// live on its connection.
type returner struct {
	*raw
	cursors map[string]shared.Cursor // where it was

	joined map[string]shared.RoomJoinedPayload
	synced map[string]shared.Cursor
	got    map[string][]stored
	late   []time.Duration // how old what is live was when it came
	err    error
}

// run comes back and reads until all rooms are synced.
func (r *returner) run() {
	r.joined, r.synced = map[string]shared.RoomJoinedPayload{}, map[string]shared.Cursor{}
	r.got = map[string][]stored{}
	for room, cursor := range r.cursors {
		if r.err = r.send(shared.JoinRoom.Frame("", shared.JoinPayload{Name: room, After: &cursor})); r.err != nil {
			return
		}
	}
	for len(r.synced) < len(r.cursors) {
		var frame []byte
		if frame, r.err = r.next(); r.err == nil {
			r.err = r.take(frame)
		}
		if r.err != nil {
			return
		}
	}
}

func (r *returner) take(frame []byte) error {
	m, isMessage := messageIn(frame)
	switch {
	case isMessage && r.cursors[m.room].Epoch == "":
		r.late = append(r.late, age(m.text))
	case isMessage:
		r.got[m.room] = append(r.got[m.room], m.stored)
	case is(frame, shared.RoomJoined.Name()):
		p, err := decode(shared.RoomJoined, frame)
		r.joined[p.Room] = p
		return err
	case is(frame, shared.Synced.Name()):
		p, err := decode(shared.Synced, frame)
		if r.cursors[p.Room].Epoch != "" {
			r.synced[p.Room] = p.Cursor
		}
		return err
	}
	return nil
}

// TestACursorOfAnotherLogStartsOver: a cursor that does not fit what the server
// has, restarted or not, starts that client over with the last messages; one that
// fits does not.
func TestACursorOfAnotherLogStartsOver(t *testing.T) {
	server := servertest.Start(t, "--rate", "0")
	senders := connectAll(t, server.Addr, 1, way{room: "x"})
	record := floodRoom(t, senders, "x", "m", 60, 10, func(id string) string { return id })
	guest := connect(t, server.Addr, way{room: "empty"})
	empty, end := mustUntil(guest, shared.Synced).Cursor, enter(guest, "x")
	server.Kill()
	server.Start()

	with := func(c shared.Cursor, change func(*shared.Cursor)) shared.Cursor { change(&c); return c }
	for _, c := range []struct {
		what, room string
		after      shared.Cursor
		state      string
		messages   int
	}{
		{"the end", "x", end, shared.StateCurrent, 0},
		{"before the end", "x", shared.Cursor{Epoch: end.Epoch, Seq: record[54].seq, ID: record[54].id}, shared.StateRecovered, 5},
		{"the far future", "x", with(end, func(c *shared.Cursor) { c.Seq += 1 << 40 }), shared.StateReset, shared.JoinBacklog},
		{"a made-up epoch", "x", with(end, func(c *shared.Cursor) { c.Epoch = "made-up" }), shared.StateReset, shared.JoinBacklog},
		{"another message", "x", with(end, func(c *shared.Cursor) { c.ID = "another" }), shared.StateReset, shared.JoinBacklog},
		{"the end", "empty", empty, shared.StateCurrent, 0},
		{"the far future", "empty", with(empty, func(c *shared.Cursor) { c.Seq, c.ID = 1<<40, "x" }), shared.StateReset, 0},
		{"the far future, and no message", "empty", with(empty, func(c *shared.Cursor) { c.Seq = 1 << 40 }), shared.StateReset, 0},
		{"a made-up epoch", "empty", with(empty, func(c *shared.Cursor) { c.Epoch = "made-up" }), shared.StateReset, 0},
	} {
		back := connect(t, server.Addr, way{room: c.room, after: &c.after})
		joined := mustUntil(back, shared.RoomJoined)
		if joined.State != c.state {
			t.Errorf("%s, %s: joined as %s, want %s", c.room, c.what, joined.State, c.state)
		}
		var want []stored
		if c.messages > 0 {
			want = record[len(record)-c.messages:]
		}
		if p := parting(readUpTo(back, shared.Synced), want); p != "" {
			t.Errorf("%s, %s: %s", c.room, c.what, p)
		}
	}
}

// TestTheGapIsShown: a client that comes back to a room that keeps less than what
// it missed is told the range that is gone, and its view has the gap.
func TestTheGapIsShown(t *testing.T) {
	server := servertest.Start(t, "--rate", "0", "--max-room-messages", "300")
	senders := connectAll(t, server.Addr, 2, way{room: "x"})
	epoch := mustUntil(senders[0], shared.RoomJoined).Cursor.Epoch
	seen := floodRoom(t, senders, "x", "seen", 20, 10, func(id string) string { return id })
	user := newRecorder(t, server.WS(), "user", []string{"x"})
	leave := user.start()
	user.awaitShown(map[string][]string{"x": idsOf(seen)})
	leave()
	missed := floodRoom(t, senders, "x", "missed", 1000, 20, func(id string) string { return id })
	left := missed[len(missed)-300:]
	server.Kill() // as long as it runs, the room's ring may have more than the log
	server.Start()

	last := seen[len(seen)-1]
	gap := shared.Truncated{After: last.seq, First: left[0].seq}
	after := shared.Cursor{Epoch: epoch, Seq: last.seq, ID: last.id}
	back := connect(t, server.Addr, way{room: "x", after: &after})
	if joined := mustUntil(back, shared.RoomJoined); joined.State != shared.StateTruncated || joined.Truncated == nil || *joined.Truncated != gap {
		t.Errorf("with a cursor whose place is gone it is joined as %s, %+v; want %s, %+v", joined.State, joined.Truncated, shared.StateTruncated, gap)
	}
	if p := parting(readUpTo(back, shared.Synced), left); p != "" {
		t.Error(p)
	}

	leave = user.start()
	defer leave()
	want := idsOf(append(slices.Clone(seen), left...))
	user.awaitShown(map[string][]string{"x": want})
	if got := user.shownIn("x"); !slices.Equal(got, want) {
		t.Errorf("it was shown another room: %s", difference(got, want))
	}
	if room, _ := user.client.Room("x"); len(room.Gaps) != 1 || room.Gaps[0] != gap {
		t.Errorf("its view has the gaps %+v, want %+v", room.Gaps, gap)
	}
}

// TestRetentionOvertakesAReader: what retention removes before a slow reader has
// come to it is told in its place. Every message that a sender got an ack for is
// received or lies in a range that was told as gone before what follows it came.
func TestRetentionOvertakesAReader(t *testing.T) {
	const messages, atOnce = 8000, 200
	server := servertest.Start(t, "--rate", "0", "--max-room-messages", "1000")
	reader := connect(t, server.Addr, way{room: "x", narrow: true})
	mustUntil(reader, shared.Synced)
	senders := connectAll(t, server.Addr, 2, way{room: "x"})
	text := strings.Repeat("x", 1000)
	var record []stored
	var frames [][]byte
	read := func() {
		frame, err := reader.next()
		if err != nil {
			t.Fatalf("after %d frames: %v", len(frames), err)
		}
		frames = append(frames, slices.Clone(frame))
	}
	for n := range messages / atOnce {
		record = append(record, floodRoom(t, senders, "x", fmt.Sprint("m", n), atOnce, 50, func(string) string { return text })...)
		for range atOnce / 10 { // it takes one in ten
			read()
		}
	}
	last := record[len(record)-1]
	for m, ok := messageIn(frames[len(frames)-1]); !ok || m.stored != last; m, ok = messageIn(frames[len(frames)-1]) {
		read()
	}

	next, received, ranges := 0, 0, 0
	var gone shared.Truncated
	for _, frame := range frames {
		if is(frame, shared.RoomJoined.Name()) {
			joined, err := decode(shared.RoomJoined, frame)
			if err != nil || joined.State != shared.StateTruncated || joined.Truncated == nil {
				t.Fatalf("got %s, %v", frame, err)
			}
			gone = *joined.Truncated
			ranges++
		}
		m, ok := messageIn(frame)
		if !ok {
			continue
		}
		for ; next < len(record) && record[next].seq < m.seq; next++ {
			if seq := record[next].seq; seq <= gone.After || seq >= gone.First {
				t.Fatalf("%+v did not come, and the range told last is %+v", record[next], gone)
			}
		}
		if next == len(record) || record[next] != m.stored {
			t.Fatalf("%+v came where %+v is due", m.stored, record[next:min(next+1, len(record))])
		}
		next++
		received++
	}
	t.Logf("of %d messages %d were received, %d ranges were told", messages, received, ranges)
	if ranges == 0 {
		t.Error("nothing was told as gone: this run proves nothing")
	}
}

// TestHandOver: whoever joins while publishers run at full speed, from far back,
// from where he just was or without a past, on a new connection or again and
// again on one, misses nothing and gets nothing twice on the way from the log
// over the ring to what is live.
func TestHandOver(t *testing.T) {
	const joiners, visits, messages = 4, 60, 100
	server := servertest.Start(t, "--rate", "0", "--fsync", "interval")
	senders := connectAll(t, server.Addr, 3, way{room: "x"})
	epoch := enter(connect(t, server.Addr, way{room: "aside"}), "x").Epoch

	padding := strings.Repeat("x", 1000) // so that the ring holds few hundred messages
	var stopped atomic.Bool
	var publishing, joining sync.WaitGroup
	var mu sync.Mutex
	var record []stored // guarded by mu
	for i, c := range senders {
		publishing.Go(func() {
			for n := 0; !stopped.Load(); n++ {
				acked, err := c.flood("x", fmt.Sprintf("p%d-%d", i, n), 100, 50, func(string) string { return padding })
				if err != nil {
					t.Errorf("publishing: %v", err)
					return
				}
				mu.Lock()
				record = append(record, acked...)
				mu.Unlock()
			}
		})
	}
	// back returns a message about n before the newest.
	back := func(n int) stored {
		mu.Lock()
		defer mu.Unlock()
		return record[max(0, len(record)-n)]
	}
	all := make([][]stretch, joiners)
	for i := range all {
		random := rand.New(rand.NewPCG(1, uint64(i)))
		joining.Go(func() {
			var c *raw
			defer func() {
				if c != nil {
					_ = c.conn.Close()
				}
			}()
			for n := range visits {
				var after *shared.Cursor
				if n > 0 && n%3 != 0 {
					got := all[i][n-1].got
					m := got[len(got)-1] // where it was last
					if n%3 == 2 {
						m = back(300 + random.IntN(1500)) // on either side of where the ring begins
					}
					after = &shared.Cursor{Epoch: epoch, Seq: m.seq, ID: m.id}
				}
				var err error
				if n%5 == 0 {
					if c != nil {
						_ = c.conn.Close()
					}
					if c, err = tryConnect(t, server.Addr, way{room: "aside"}); err != nil {
						t.Errorf("joiner %d: %v", i, err)
						return
					}
				}
				v, err := c.stay("x", after, messages)
				if all[i] = append(all[i], v); err != nil {
					t.Errorf("joiner %d, visit %d: %v", i, n, err)
					return
				}
			}
		})
	}
	joining.Wait()
	stopped.Store(true)
	publishing.Wait()
	if t.Failed() {
		return
	}

	record = inOrder(record)
	caughtUp := 0
	for i, list := range all {
		for n, v := range list {
			want := beyond(record, v.joined.Cursor.Seq)
			if p := parting(v.got, want[:min(len(want), len(v.got))]); p != "" {
				t.Errorf("joiner %d, visit %d, %s at %d: %s", i, n, v.joined.State, v.joined.Cursor.Seq, p)
			}
			if v.before > 0 {
				caughtUp++
				if m := v.got[v.before-1]; v.synced.Seq != m.seq || v.synced.ID != m.id {
					t.Errorf("joiner %d, visit %d: synced at %+v, after %+v", i, n, v.synced, m)
				}
			}
		}
	}
	t.Logf("%d visits, %d of which had something to catch up, while %d messages were written", joiners*visits, caughtUp, len(record))
	if caughtUp < joiners*visits/2 {
		t.Errorf("only %d of %d visits had something to catch up: this run proves little", caughtUp, joiners*visits)
	}
}

// TestFromEveryPlace: a client that comes back to any place of a room, where its
// ring begins and where a page of the log ends too, gets exactly what is beyond.
func TestFromEveryPlace(t *testing.T) {
	const messages = 200 // of which the ring holds some 130
	server := servertest.Start(t, "--rate", "0", "--fsync", "interval")
	senders := connectAll(t, server.Addr, 1, way{room: "x"})
	text := strings.Repeat("x", shared.MaxMessageLength)
	record := floodRoom(t, senders, "x", "m", messages, 50, func(string) string { return text })
	guest := connect(t, server.Addr, way{room: "aside"})
	epoch := enter(guest, "x").Epoch
	for _, m := range record {
		after := shared.Cursor{Epoch: epoch, Seq: m.seq, ID: m.id}
		c := connect(t, server.Addr, way{room: "x", after: &after})
		if p := parting(readUpTo(c, shared.Synced), beyond(record, m.seq)); p != "" {
			t.Errorf("from %d: %s", m.seq, p)
		}
		_ = c.conn.Close()
	}
}

// stretch is what a raw client got of a room between joining and leaving it.
type stretch struct {
	joined shared.RoomJoinedPayload
	synced shared.Cursor
	got    []stored
	before int // of got came before synced
}

// stay joins a room, stays for n messages beyond synced, and leaves it.
func (c *raw) stay(room string, after *shared.Cursor, n int) (v stretch, err error) {
	if err = c.send(shared.JoinRoom.Frame("", shared.JoinPayload{Name: room, After: after})); err != nil {
		return v, err
	}
	in, synced, leaving := false, false, false
	for {
		frame, err := c.next()
		if err != nil {
			return v, err
		}
		if m, ok := messageIn(frame); ok {
			if m.room != room {
				continue
			}
			if !in {
				return v, fmt.Errorf("%+v came before room_joined", m.stored)
			}
			v.got = append(v.got, m.stored)
		}
		switch {
		case is(frame, shared.RoomJoined.Name()):
			p, err := decode(shared.RoomJoined, frame)
			if err != nil {
				return v, err
			}
			if p.Room != room {
				continue
			}
			if v.joined, in = p, true; after != nil && (p.State == shared.StateReset || p.Cursor != *after) {
				return v, fmt.Errorf("with %+v it is %s at %+v", *after, p.State, p.Cursor)
			}
		case is(frame, shared.Synced.Name()):
			p, err := decode(shared.Synced, frame)
			if err != nil {
				return v, err
			}
			if p.Room == room {
				v.synced, v.before, synced = p.Cursor, len(v.got), true
			}
		case is(frame, shared.Left.Name()):
			return v, nil
		}
		if synced && !leaving && len(v.got) >= v.before+n {
			leaving = true
			if err := c.send(shared.LeaveRoom.Frame("", shared.LeavePayload{Name: room})); err != nil {
				return v, err
			}
		}
	}
}
