package chat

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"websockets/server/servertest"
	"websockets/shared"
)

// cursorAt returns the cursor of the nth message of a room.
func (s *testServer) cursorAt(room string, n int) shared.Cursor {
	m := s.stored(room)[n]
	return shared.Cursor{Epoch: s.log.Epoch(room), Seq: m.Seq, ID: m.ID}
}

func TestResume(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		s.put("noise", texts(0, 20)...)
		s.put("x", texts(0, 100)...)
		s.put("noise", texts(20, 20)...)
		all := texts(0, 100)
		at := func(n int) shared.Cursor { return s.cursorAt("x", n) }
		with := func(c shared.Cursor, change func(*shared.Cursor)) shared.Cursor { change(&c); return c }
		noise := s.stored("noise")[0]

		for _, test := range []struct {
			name  string
			room  string
			after shared.Cursor
			state string
			want  []string
		}{
			{"at the head", "x", at(99), shared.StateCurrent, nil},
			{"one behind", "x", at(98), shared.StateRecovered, all[99:]},
			{"far behind", "x", at(0), shared.StateRecovered, all[1:]}, // more than the 50 of a new member
			{"before the first message", "x", with(at(0), func(c *shared.Cursor) { c.Seq, c.ID = 0, "" }), shared.StateRecovered, all},
			{"a made-up epoch", "x", with(at(90), func(c *shared.Cursor) { c.Epoch = "made-up" }), shared.StateReset, all[50:]},
			{"no epoch", "x", with(at(90), func(c *shared.Cursor) { c.Epoch = "" }), shared.StateReset, all[50:]},
			{"the far future", "x", with(at(90), func(c *shared.Cursor) { c.Seq = 1 << 40 }), shared.StateReset, all[50:]},
			{"the end of numbers", "x", with(at(90), func(c *shared.Cursor) { c.Seq = 1<<64 - 1 }), shared.StateReset, all[50:]},
			{"another message's id", "x", with(at(90), func(c *shared.Cursor) { c.ID = "another" }), shared.StateReset, all[50:]},
			{"no id", "x", with(at(90), func(c *shared.Cursor) { c.ID = "" }), shared.StateReset, all[50:]},
			{"another id at the head", "x", with(at(99), func(c *shared.Cursor) { c.ID = "another" }), shared.StateReset, all[50:]},
			{"an empty room", "empty", shared.Cursor{Epoch: s.log.Epoch("empty")}, shared.StateCurrent, nil},
			{"an empty room and a made-up epoch", "empty", shared.Cursor{Epoch: "made-up"}, shared.StateReset, nil},
			{"an empty room and the far future", "empty", shared.Cursor{Epoch: s.log.Epoch("empty"), Seq: 1 << 40, ID: "x"}, shared.StateReset, nil},
		} {
			bystander := s.join(test.room)
			c, joined := s.resume(test.room, test.after)
			if joined.State != test.state || joined.Truncated != nil {
				t.Errorf("%s: got state %s, truncated %v, want state %s and nothing truncated", test.name, joined.State, joined.Truncated, test.state)
			}
			if kept := test.state != shared.StateReset; kept != (joined.Cursor == test.after) {
				t.Errorf("%s: room_joined has the cursor %+v after %+v: got kept %v, want %v", test.name, joined.Cursor, test.after, !kept, kept)
			}
			if got := textsOf(c.TakeMessages(len(test.want))); !slices.Equal(got, test.want) {
				t.Errorf("%s: got %q\nwant %q", test.name, got, test.want)
			}
			synced := servertest.Payload(c, shared.Synced, takeNext(c))
			if stored := s.stored(test.room); len(stored) > 0 {
				if want := s.cursorAt(test.room, len(stored)-1); synced.Cursor != want {
					t.Errorf("%s: synced at %+v, want %+v", test.name, synced.Cursor, want)
				}
			} else if synced.Cursor.Epoch != s.log.Epoch(test.room) || synced.Cursor.ID != "" {
				t.Errorf("%s: synced at %+v, want a place without a message in epoch %s", test.name, synced.Cursor, s.log.Epoch(test.room))
			}
			// Nobody else in the room noticed, and nothing came twice.
			for _, client := range []*servertest.Conn{bystander, c} {
				client.Barrier()
			}
			c.None(test.name+": a message again", isMessageEvent)
			bystander.None(test.name+": a new start", func(e shared.Event) bool { return e.Type == shared.RoomJoined.Name() })
			c.Leave()
			bystander.Leave()
		}

		// A sequence that is another room's message is not a place in this one.
		_, joined := s.resume("x", shared.Cursor{Epoch: s.log.Epoch("noise"), Seq: noise.Seq, ID: noise.ID})
		if joined.State == shared.StateCurrent || joined.State == shared.StateRecovered {
			t.Errorf("state with another room's cursor: got %s, want %s", joined.State, shared.StateReset)
		}
	})
}

// A client that resumes with the cursor of synced or new_message gets every message
// once.
func TestResumeWithCursorOfLastMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		talker := s.join("x")
		c, joined := s.joined("x")
		cursor := joined.Cursor
		var heard []string
		next := 0
		for round := range 5 {
			for range 3 { // live
				talker.Say(texts(next, 1)[0])
				next++
			}
			for _, m := range c.TakeMessages(3) {
				heard = append(heard, m.Message)
				cursor.Seq, cursor.ID = m.Seq, m.ID
			}
			if round%2 == 0 {
				c.Leave()
			} else {
				c.WS.Close() // without a word
			}
			for range round { // missed
				talker.Say(texts(next, 1)[0])
				next++
			}
			c, joined = s.resume("x", cursor)
			want := shared.StateRecovered
			if round == 0 {
				want = shared.StateCurrent
			}
			if joined.State != want || joined.Cursor != cursor {
				t.Errorf("round %d: got %s at %+v, want %s at %+v", round, joined.State, joined.Cursor, want, cursor)
			}
			for _, m := range c.TakeMessages(round) {
				heard = append(heard, m.Message)
			}
			cursor = servertest.TakeEvent(c, shared.Synced).Cursor
		}
		if !slices.Equal(heard, texts(0, next)) {
			t.Errorf("messages: got %q, want %q", heard, texts(0, next))
		}
	})
}

func TestResumeWithChangeRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		s.put("x", texts(0, 10)...)
		c := s.join("elsewhere")
		after := s.cursorAt("x", 6)
		joined := servertest.TakeAnswer(c, shared.RoomJoined, servertest.Send(c, shared.ChangeRoom, shared.JoinPayload{Name: "x", After: &after}))
		if joined.State != shared.StateRecovered || joined.Cursor != after {
			t.Errorf("room_joined: got %+v, want %s at %+v", joined, shared.StateRecovered, after)
		}
		if got := textsOf(c.TakeMessages(3)); !slices.Equal(got, texts(7, 3)) {
			t.Errorf("messages: got %q, want %q", got, texts(7, 3))
		}
	})
}

func TestInvalidCursorIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		for _, after := range []string{"zzz", "5", `"x"`, `[]`, `{"epoch":1}`, `{"epoch":"e","seq":-1}`, `{"epoch":"e","seq":1,"id":"*"}`,
			`{"epoch":"` + strings.Repeat("e", 65) + `","seq":1}`, `{} {}`} {
			c := s.dial(servertest.DialOptions{Query: url.Values{"room": {"x"}, "after": {after}}.Encode()})
			refusal := servertest.Payload(c, shared.Failed, takeNext(c))
			if refusal.Code != shared.CodeBadPayload {
				t.Errorf("after=%s: got %+v, want %s", after, refusal, shared.CodeBadPayload)
			}
			// No room was joined, and the connection lives on.
			c.TakeRefusal(servertest.Send(c, shared.SendMessage, shared.SendMessagePayload{Message: "?"}), shared.CodeNotMember)
			servertest.TakeAnswer(c, shared.RoomJoined, servertest.Send(c, shared.JoinRoom, shared.JoinPayload{Name: "x"}))
			c.Say("here")
		}
	})
}

// If rooms keep a limited number of messages, a cursor may be older than all of them.
func TestResumeAfterMessagesExpired(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t, func(with *setup) { with.log.MaxRoomMessages = 20 })
		s.put("x", texts(0, 5)...)
		before := s.cursorAt("x", 2)
		s.put("x", texts(5, 40)...)
		first := s.stored("x")[0]

		c, joined := s.resume("x", before)
		want := shared.Truncated{After: before.Seq, First: first.Seq}
		if joined.State != shared.StateTruncated || joined.Truncated == nil || *joined.Truncated != want {
			t.Errorf("room_joined: got state %s, truncated %+v, want state %s, truncated %+v", joined.State, joined.Truncated, shared.StateTruncated, want)
		}
		if got := textsOf(c.TakeMessages(20)); !slices.Equal(got, texts(25, 20)) {
			t.Errorf("messages: got %q, want %q", got, texts(25, 20))
		}
		servertest.TakeEvent(c, shared.Synced)

		// A later cursor needs only what is left.
		if _, joined := s.resume("x", s.cursorAt("x", 3)); joined.State != shared.StateRecovered {
			t.Errorf("room_joined: got state %s, want %s", joined.State, shared.StateRecovered)
		}
	})
}

// A cursor of the empty room has missed the first messages too.
func TestResumeFromEmptyRoomAfterMessagesExpired(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t, func(with *setup) { with.log.MaxRoomMessages = 20 })
		_, empty := s.joined("x")
		s.put("x", texts(0, 45)...)
		if _, joined := s.resume("x", empty.Cursor); joined.State != shared.StateTruncated {
			t.Errorf("state with 20 of 45 messages left: got %s, want %s", joined.State, shared.StateTruncated)
		}
	})
}

// A new member has missed nothing, even if messages of the room have expired.
func TestNewMemberIsNotToldOfExpiredMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t, func(with *setup) { with.log.MaxRoomMessages = 20 })
		s.put("x", texts(0, 45)...)
		c := s.dial(servertest.DialOptions{Room: "x"})
		if joined := servertest.TakeEvent(c, shared.RoomJoined); joined.State != shared.StateNew {
			t.Errorf("room_joined: got %+v, want state %s", joined, shared.StateNew)
		}
		if got := textsOf(c.TakeMessages(20)); !slices.Equal(got, texts(25, 20)) {
			t.Errorf("messages: got %q, want %q", got, texts(25, 20))
		}
		servertest.TakeEvent(c, shared.Synced)
		c.Say("and from now on")
		c.TakeMessages(1)
		c.None("another room_joined", func(e shared.Event) bool { return e.Type == shared.RoomJoined.Name() })
	})
}

// When a returning member has read the log, other members get the same messages from
// memory.
func TestManyMembersReadTheLogOnce(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"returning", "new"} {
		t.Run(first, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := serveInBubble(t)
				s.put("noise", texts(0, 20)...)
				room := "beside-noise"
				s.put(room, texts(0, 200)...)
				all, begin := texts(0, 200), 10
				if first == "new" {
					begin = 150
					s.join(room)
				} else {
					c, _ := s.resume(room, s.cursorAt(room, begin-1))
					c.TakeMessages(len(all) - begin)
					servertest.TakeEvent(c, shared.Synced)
				}
				after := s.cursorAt(room, begin-1)
				between, end := s.cursorAt(room, 170), s.cursorAt(room, 199)
				s.log.unreadable.Store(true)

				for _, again := range []struct {
					what  string
					after *shared.Cursor
					state string
					want  []string
				}{
					{"the same cursor", &after, shared.StateRecovered, all[begin:]},
					{"a later cursor", &between, shared.StateRecovered, all[171:]},
					{"the end", &end, shared.StateCurrent, nil},
					{"no cursor", nil, shared.StateNew, all[150:]},
				} {
					c := s.dial(servertest.DialOptions{Room: room, After: again.after})
					if joined := servertest.TakeEvent(c, shared.RoomJoined); joined.State != again.state {
						t.Errorf("state with %s: got %s, want %s", again.what, joined.State, again.state)
					}
					if got := textsOf(c.TakeMessages(len(again.want))); !slices.Equal(got, again.want) {
						t.Errorf("with %s it gets %q\nwant %q", again.what, got, again.want)
					}
					if synced := servertest.TakeEvent(c, shared.Synced); synced.Cursor != end {
						t.Errorf("with %s it is synced at %+v, want %+v", again.what, synced.Cursor, end)
					}
				}
			})
		})
	}
}

// The second member of an empty room joins without reading the log.
func TestEmptyRoomReadsTheLogOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t)
		s.join("x")
		s.log.unreadable.Store(true)
		if _, joined := s.joined("x"); joined.State != shared.StateNew {
			t.Errorf("room_joined: got state %s, want %s", joined.State, shared.StateNew)
		}
	})
}
