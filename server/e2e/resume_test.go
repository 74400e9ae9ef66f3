package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"websockets/server/servertest"
	"websockets/shared"
)

// absence is a server on which clients were once, and what they have missed since.
type absence struct {
	t       *testing.T
	server  *servertest.Process
	record  map[string][]servertest.Stored // what was sent, by room
	cursors map[string]shared.Cursor       // where the clients were, by room
	user    *recorder                      // a real client that was there too
}

// absenceRooms are the rooms that they were in, with the states in which they join
// them again.
var absenceRooms = map[string]string{
	"big":    shared.StateRecovered, // most was missed here
	"few":    shared.StateRecovered,
	"quiet":  shared.StateCurrent,
	"filled": shared.StateRecovered, // had no message yet
	"empty":  shared.StateCurrent,   // has none
}

// goAway lets clients miss that many messages, and restarts the server meanwhile:
// once killed, once stopped.
func goAway(t *testing.T, missed int) *absence {
	t.Helper()
	a := &absence{
		t: t, server: servertest.Start(t, "--rate", "0", "--fsync", "interval"),
		record: map[string][]servertest.Stored{}, cursors: map[string]shared.Cursor{},
	}
	var rooms []string
	for room := range absenceRooms {
		rooms = append(rooms, room)
	}
	for _, room := range []string{"big", "few", "quiet"} {
		a.put(room, "seen", 20, "")
	}
	a.user = newRecorder(t, a.server.WS(), "user", rooms)
	leave := a.user.start()
	a.user.awaitJoined(rooms)
	leave()
	guest := servertest.Dial(t, a.server.WS(), servertest.DialOptions{Room: "live"})
	for _, room := range rooms {
		a.cursors[room] = guest.Enter(room)
	}

	a.put("big", "first", missed/2, "")
	a.server.Kill()
	a.server.Start()
	a.put("big", "second", missed/2, "")
	a.put("few", "later", 10, "")
	a.put("filled", "later", 10, "")
	a.server.Stop()
	a.server.Start()
	return a
}

// put writes messages to a room. Their texts are their ids and the padding.
func (a *absence) put(room, name string, n int, padding string) {
	a.t.Helper()
	senders := servertest.DialAll(a.t, a.server.WS(), 2, servertest.DialOptions{Room: room})
	a.record[room] = append(a.record[room], servertest.FloodRoom(a.t, senders, room, name, n, 60, func(id string) string { return id + padding })...)
	servertest.Close(senders...)
}

// check compares what a returner got with what it missed.
func (a *absence) check(r *returner) {
	a.t.Helper()
	for room, state := range absenceRooms {
		want := servertest.After(a.record[room], a.cursors[room].Seq)
		if d := servertest.Difference(r.got[room], want); d != "" {
			a.t.Errorf("room %s: %s", room, d)
		}
		if joined := r.joined[room]; joined.State != state || joined.Cursor != a.cursors[room] {
			a.t.Errorf("joining %s: got %s at %+v, want %s at %+v", room, joined.State, joined.Cursor, state, a.cursors[room])
		}
		if n := len(want); n > 0 && (r.synced[room].Seq != want[n-1].Seq || r.synced[room].ID != want[n-1].ID) {
			a.t.Errorf("%s is synced: got %+v, want %+v", room, r.synced[room], want[n-1])
		}
	}
}

// checkUser lets the real client come back and compares what it was shown.
func (a *absence) checkUser() {
	a.t.Helper()
	leave := a.user.start()
	defer leave()
	for room := range absenceRooms {
		want := servertest.IDs(a.record[room])
		a.user.awaitShown(map[string][]string{room: want})
		var got []string
		for _, text := range a.user.shownIn(room) {
			id, _, _ := strings.Cut(text, " ")
			got = append(got, id)
		}
		if !slices.Equal(got, want) {
			a.t.Errorf("room %s of the real client: %s", room, difference(got, want))
		}
	}
}

// returner is a client that comes back to several rooms while another one is live on
// its connection.
type returner struct {
	*servertest.Conn
	joined map[string]shared.RoomJoinedPayload
	synced map[string]shared.Cursor
	got    map[string][]servertest.Stored
	live   []servertest.Message // of the room "live"
}

// comeBack connects a client. It is in the room "live" and in no other yet.
func (a *absence) comeBack(o servertest.DialOptions) *returner {
	a.t.Helper()
	o.Room = "live"
	r := &returner{
		Conn:   servertest.Dial(a.t, a.server.WS(), o),
		joined: map[string]shared.RoomJoinedPayload{}, synced: map[string]shared.Cursor{},
		got: map[string][]servertest.Stored{},
	}
	servertest.Await(r.Conn, shared.Synced)
	return r
}

// join joins the rooms from where the client was.
func (r *returner) join(cursors map[string]shared.Cursor) error {
	for room, cursor := range cursors {
		if err := r.Write(shared.JoinRoom.Frame("", shared.JoinPayload{Name: room, After: &cursor})); err != nil {
			return err
		}
	}
	return nil
}

// read notes frames until done reports true.
func (r *returner) read(done func() bool) error {
	for !done() {
		frame, err := r.Next()
		if err == nil {
			err = r.take(frame)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// back reports whether the client has got all that it missed.
func (r *returner) back() bool { return len(r.synced) == len(absenceRooms) }

func (r *returner) take(frame []byte) error {
	m, isMessage := servertest.MessageIn(frame)
	switch {
	case isMessage && m.Room == "live":
		r.live = append(r.live, m)
	case isMessage:
		r.got[m.Room] = append(r.got[m.Room], m.Stored)
	case servertest.IsEvent(frame, shared.RoomJoined.Name()):
		p, err := servertest.Decode(shared.RoomJoined, frame)
		r.joined[p.Room] = p
		return err
	case servertest.IsEvent(frame, shared.Synced.Name()):
		p, err := servertest.Decode(shared.Synced, frame)
		r.synced[p.Room] = p.Cursor
		return err
	}
	return nil
}

// TestReturnAfterManyMessages: clients that come back, after some thousand messages
// and two restarts of the server, get exactly what they missed, in order. While they
// catch up, a room is live for others, and on the same connection what is live comes
// between what was missed.
func TestReturnAfterManyMessages(t *testing.T) {
	t.Parallel()
	const missed, live = 4000, 50
	a := goAway(t, missed)
	a.put("big", "large", missed, " "+strings.Repeat("x", 1500)) // 6 MB: more than kernels hold for a connection
	var back []*returner
	for range 2 {
		r := a.comeBack(servertest.DialOptions{SmallWindow: true})
		if err := r.join(a.cursors); err != nil {
			t.Fatal(err)
		}
		// It reads the first of what it missed, and stands still.
		if err := r.read(func() bool { return len(r.got["big"]) > 0 }); err != nil {
			t.Fatal(err)
		}
		back = append(back, r)
	}

	talker := servertest.Dial(t, a.server.WS(), servertest.DialOptions{Room: "live"})
	bystander := servertest.Listen(servertest.Dial(t, a.server.WS(), servertest.DialOptions{Room: "live"}), "live")
	record, err := talker.Flood("live", "live", live, 1, func(id string) string { return id })
	if err != nil {
		t.Fatal(err)
	}
	bystander.Await(live)

	for i, r := range back {
		if err := r.read(func() bool { return len(r.live) == live }); err != nil {
			t.Fatalf("returning client %d: %v", i, err)
		}
		if r.back() {
			t.Errorf("returning client %d: got what is live after all that it missed, want it between", i)
		}
		if err := r.read(r.back); err != nil {
			t.Fatalf("returning client %d: %v", i, err)
		}
		a.check(r)
		for n, m := range r.live {
			if m.Stored != record[n] {
				t.Errorf("returning client %d, live message %d: got %+v, want %+v", i, n, m.Stored, record[n])
			}
		}
	}
	a.checkUser()
}

// TestACursorOfAnotherLogStartsOver: a client whose cursor does not fit the log starts
// over with the last messages. One whose cursor fits does not.
func TestACursorOfAnotherLogStartsOver(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, "--rate", "0")
	senders := servertest.DialAll(t, server.WS(), 1, servertest.DialOptions{Room: "x"})
	record := servertest.FloodRoom(t, senders, "x", "m", 60, 10, func(id string) string { return id })
	guest := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "empty"})
	empty, end := servertest.Await(guest, shared.Synced).Cursor, guest.Enter("x")
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
		{"before the end", "x", shared.Cursor{Epoch: end.Epoch, Seq: record[54].Seq, ID: record[54].ID}, shared.StateRecovered, 5},
		{"the far future", "x", with(end, func(c *shared.Cursor) { c.Seq += 1 << 40 }), shared.StateReset, shared.JoinBacklog},
		{"a made-up epoch", "x", with(end, func(c *shared.Cursor) { c.Epoch = "made-up" }), shared.StateReset, shared.JoinBacklog},
		{"another message", "x", with(end, func(c *shared.Cursor) { c.ID = "another" }), shared.StateReset, shared.JoinBacklog},
		{"the end", "empty", empty, shared.StateCurrent, 0},
		{"the far future", "empty", with(empty, func(c *shared.Cursor) { c.Seq, c.ID = 1<<40, "x" }), shared.StateReset, 0},
		{"the far future, and no message", "empty", with(empty, func(c *shared.Cursor) { c.Seq = 1 << 40 }), shared.StateReset, 0},
		{"a made-up epoch", "empty", with(empty, func(c *shared.Cursor) { c.Epoch = "made-up" }), shared.StateReset, 0},
	} {
		back := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: c.room, After: &c.after})
		joined := servertest.Await(back, shared.RoomJoined)
		if joined.State != c.state {
			t.Errorf("%s, %s: got state %s, want %s", c.room, c.what, joined.State, c.state)
		}
		var want []servertest.Stored
		if c.messages > 0 {
			want = record[len(record)-c.messages:]
		}
		if p := servertest.Difference(servertest.ReadUpTo(back, shared.Synced), want); p != "" {
			t.Errorf("%s, %s: %s", c.room, c.what, p)
		}
	}
}

// TestTheGapIsShown: a client missed more than a room keeps. When it comes back it is
// told which range is gone, and its view has the gap.
func TestTheGapIsShown(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, "--rate", "0", "--max-room-messages", "300")
	senders := servertest.DialAll(t, server.WS(), 2, servertest.DialOptions{Room: "x"})
	epoch := servertest.Await(senders[0], shared.RoomJoined).Cursor.Epoch
	seen := servertest.FloodRoom(t, senders, "x", "seen", 20, 10, func(id string) string { return id })
	user := newRecorder(t, server.WS(), "user", []string{"x"})
	leave := user.start()
	user.awaitShown(map[string][]string{"x": servertest.IDs(seen)})
	leave()
	missed := servertest.FloodRoom(t, senders, "x", "missed", 1000, 20, func(id string) string { return id })
	left := missed[len(missed)-300:]
	server.Kill() // as long as it runs, the room's ring may have more than the log
	server.Start()

	last := seen[len(seen)-1]
	gap := shared.Truncated{After: last.Seq, First: left[0].Seq}
	after := shared.Cursor{Epoch: epoch, Seq: last.Seq, ID: last.ID}
	back := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "x", After: &after})
	if joined := servertest.Await(back, shared.RoomJoined); joined.State != shared.StateTruncated || joined.Truncated == nil || *joined.Truncated != gap {
		t.Errorf("a cursor whose place is gone: got %s, %+v, want %s, %+v", joined.State, joined.Truncated, shared.StateTruncated, gap)
	}
	if p := servertest.Difference(servertest.ReadUpTo(back, shared.Synced), left); p != "" {
		t.Error(p)
	}

	leave = user.start()
	defer leave()
	want := servertest.IDs(append(slices.Clone(seen), left...))
	user.awaitShown(map[string][]string{"x": want})
	if got := user.shownIn("x"); !slices.Equal(got, want) {
		t.Errorf("the room of the real client: %s", difference(got, want))
	}
	if room, _ := user.client.Room("x"); len(room.Gaps) != 1 || room.Gaps[0] != gap {
		t.Errorf("gaps of its view: got %+v, want %+v", room.Gaps, gap)
	}
}

// TestRetentionOvertakesAReader: a slow reader is told of each range that retention
// removes before it has read it, in its place. It gets every acked message, or has
// been told that it is gone before the next one comes.
func TestRetentionOvertakesAReader(t *testing.T) {
	t.Parallel()
	const messages, atOnce = 4000, 200
	server := servertest.Start(t, "--rate", "0", "--max-room-messages", "500")
	reader := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "x", SmallWindow: true})
	servertest.Await(reader, shared.Synced)
	senders := servertest.DialAll(t, server.WS(), 2, servertest.DialOptions{Room: "x"})
	text := strings.Repeat("x", 2000)
	var record []servertest.Stored
	var frames [][]byte
	read := func() {
		frame, err := reader.Next()
		if err != nil {
			t.Fatalf("after %d frames: %v", len(frames), err)
		}
		frames = append(frames, slices.Clone(frame))
	}
	for n := range messages / atOnce {
		record = append(record, servertest.FloodRoom(t, senders, "x", fmt.Sprint("m", n), atOnce, 50, func(string) string { return text })...)
		for range atOnce / 10 { // it takes one in ten
			read()
		}
	}
	last := record[len(record)-1]
	for m, ok := servertest.MessageIn(frames[len(frames)-1]); !ok || m.Stored != last; m, ok = servertest.MessageIn(frames[len(frames)-1]) {
		read()
	}

	next, received, ranges := 0, 0, 0
	var gone shared.Truncated
	for _, frame := range frames {
		if servertest.IsEvent(frame, shared.RoomJoined.Name()) {
			joined, err := servertest.Decode(shared.RoomJoined, frame)
			if err != nil || joined.State != shared.StateTruncated || joined.Truncated == nil {
				t.Fatalf("got %s, %v, want state %s", frame, err, shared.StateTruncated)
			}
			gone = *joined.Truncated
			ranges++
		}
		m, ok := servertest.MessageIn(frame)
		if !ok {
			continue
		}
		for ; next < len(record) && record[next].Seq < m.Seq; next++ {
			if seq := record[next].Seq; seq <= gone.After || seq >= gone.First {
				t.Fatalf("got %+v after the gap %+v, want %+v first", m.Stored, gone, record[next])
			}
		}
		if next == len(record) || record[next] != m.Stored {
			t.Fatalf("got %+v, want %+v", m.Stored, record[next:min(next+1, len(record))])
		}
		next++
		received++
	}
	t.Logf("of %d messages %d were received, %d ranges were told", messages, received, ranges)
	if ranges == 0 {
		t.Error("ranges that are gone: got none, want some")
	}
}

// TestHandOver: clients join while publishers run at full speed: from far back, from
// where they just were, or without a cursor, on a new connection or again and again
// on one. They miss nothing and get nothing twice on the way from the log over the
// ring to what is live.
func TestHandOver(t *testing.T) {
	t.Parallel()
	const joiners, visits, messages, furthest = 4, 30, 100, 1800
	server := servertest.Start(t, "--rate", "0", "--fsync", "interval")
	senders := servertest.DialAll(t, server.WS(), 3, servertest.DialOptions{Room: "x"})
	epoch := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "aside"}).Enter("x").Epoch

	padding := strings.Repeat("x", 1000) // so that the ring holds few hundred messages
	var stopped atomic.Bool
	var publishing, joining sync.WaitGroup
	var mu sync.Mutex
	var record []servertest.Stored // guarded by mu
	defer publishing.Wait()
	defer stopped.Store(true)
	for i, c := range senders {
		publishing.Go(func() {
			for n := 0; !stopped.Load(); n++ {
				acked, err := c.Flood("x", fmt.Sprintf("p%d-%d", i, n), 100, 50, func(string) string { return padding })
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
	servertest.Eventually(t, fmt.Sprintf("a room of %d messages", furthest), func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(record) >= furthest || t.Failed()
	})
	if t.Failed() {
		return
	}
	// behind returns a message about n before the newest, where n is at most furthest.
	behind := func(n int) servertest.Stored {
		mu.Lock()
		defer mu.Unlock()
		return record[len(record)-n]
	}
	all := make([][]stretch, joiners)
	for i := range all {
		random := rand.New(rand.NewPCG(1, uint64(i)))
		joining.Go(func() {
			var c *servertest.Conn
			defer func() {
				if c != nil {
					servertest.Close(c)
				}
			}()
			for n := range visits {
				var after *shared.Cursor
				if n > 0 && n%3 != 0 {
					got := all[i][n-1].got
					m := got[len(got)-1] // where it was last
					if n%3 == 2 {
						m = behind(300 + random.IntN(furthest-300)) // on either side of where the ring begins
					}
					after = &shared.Cursor{Epoch: epoch, Seq: m.Seq, ID: m.ID}
				}
				var err error
				if n%5 == 0 {
					if c != nil {
						servertest.Close(c)
					}
					if c, err = servertest.TryDial(t, server.WS(), servertest.DialOptions{Room: "aside"}); err != nil {
						t.Errorf("joiner %d: %v", i, err)
						return
					}
				}
				v, err := stay(c, "x", after, messages)
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

	record = servertest.InOrder(record)
	caughtUp := 0
	for i, list := range all {
		for n, v := range list {
			want := servertest.After(record, v.joined.Cursor.Seq)
			if d := servertest.Difference(v.got, want[:min(len(want), len(v.got))]); d != "" {
				t.Errorf("joiner %d, visit %d, %s at %d: %s", i, n, v.joined.State, v.joined.Cursor.Seq, d)
			}
			if v.before > 0 {
				caughtUp++
				if m := v.got[v.before-1]; v.synced.Seq != m.Seq || v.synced.ID != m.ID {
					t.Errorf("joiner %d, visit %d: synced at %+v, want %+v", i, n, v.synced, m)
				}
			}
		}
	}
	t.Logf("%d visits, %d of which had something to catch up, while %d messages were written", joiners*visits, caughtUp, len(record))
	if caughtUp < joiners*visits/2 {
		t.Errorf("visits that had something to catch up: got %d, want at least %d", caughtUp, joiners*visits/2)
	}
}

// TestFromEveryPlace: a client that comes back to any place of a room gets exactly
// what lies after it, also where the ring begins and where a page of the log ends.
func TestFromEveryPlace(t *testing.T) {
	t.Parallel()
	const messages = 200 // of which the ring holds some 130
	server := servertest.Start(t, "--rate", "0", "--fsync", "interval")
	senders := servertest.DialAll(t, server.WS(), 1, servertest.DialOptions{Room: "x"})
	text := strings.Repeat("x", shared.MaxMessageLength)
	record := servertest.FloodRoom(t, senders, "x", "m", messages, 50, func(string) string { return text })
	guest := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "aside"})
	epoch := guest.Enter("x").Epoch
	for _, m := range record {
		after := shared.Cursor{Epoch: epoch, Seq: m.Seq, ID: m.ID}
		c := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "x", After: &after})
		if p := servertest.Difference(servertest.ReadUpTo(c, shared.Synced), servertest.After(record, m.Seq)); p != "" {
			t.Errorf("from %d: %s", m.Seq, p)
		}
		servertest.Close(c)
	}
}

// stretch is what a client got of a room between joining and leaving it.
type stretch struct {
	joined shared.RoomJoinedPayload
	synced shared.Cursor
	got    []servertest.Stored
	before int // of got came before synced
}

// stay joins a room, stays for n messages beyond synced, and leaves it.
func stay(c *servertest.Conn, room string, after *shared.Cursor, n int) (v stretch, err error) {
	if err = c.Write(shared.JoinRoom.Frame("", shared.JoinPayload{Name: room, After: after})); err != nil {
		return v, err
	}
	in, synced, leaving := false, false, false
	for {
		frame, err := c.Next()
		if err != nil {
			return v, err
		}
		if m, ok := servertest.MessageIn(frame); ok {
			if m.Room != room {
				continue
			}
			if !in {
				return v, fmt.Errorf("got %+v, want room_joined first", m.Stored)
			}
			v.got = append(v.got, m.Stored)
		}
		switch {
		case servertest.IsEvent(frame, shared.RoomJoined.Name()):
			p, err := servertest.Decode(shared.RoomJoined, frame)
			if err != nil {
				return v, err
			}
			if p.Room != room {
				continue
			}
			if v.joined, in = p, true; after != nil && (p.State == shared.StateReset || p.Cursor != *after) {
				return v, fmt.Errorf("joining at %+v: got %s at %+v", *after, p.State, p.Cursor)
			}
		case servertest.IsEvent(frame, shared.Synced.Name()):
			p, err := servertest.Decode(shared.Synced, frame)
			if err != nil {
				return v, err
			}
			if p.Room == room {
				v.synced, v.before, synced = p.Cursor, len(v.got), true
			}
		case servertest.IsEvent(frame, shared.Left.Name()):
			return v, nil
		}
		if synced && !leaving && len(v.got) >= v.before+n {
			leaving = true
			if err := c.Write(shared.LeaveRoom.Frame("", shared.LeavePayload{Name: room})); err != nil {
				return v, err
			}
		}
	}
}
