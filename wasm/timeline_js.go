package main

import (
	"strconv"
	"syscall/js"
	"time"

	"websockets/wasm/client"
)

// groupWithin is how close in time messages of one person follow each other to
// share a head.
const groupWithin = 5 * time.Minute

// maxRows is how many messages are in the page while the reader is at the end:
// laying out more costs more with each new one. Further up all are there.
const maxRows = 300

// timeline is the list of messages of the current room. Every row has a key and
// stays one and the same element for as long as its key is there, so a message
// that goes from pending to sent is never taken out and put in again.
//
// Only the page's goroutine touches it.
type timeline struct {
	clock   *clock
	after   func(time.Duration, func()) // see Page.after
	scroll  js.Value
	latest  js.Value
	message js.Value // templates
	day     js.Value
	note    js.Value

	room string
	rows *list[row]

	stuck   bool   // the reader is at the end and stays there
	seenSeq uint64 // the last message that was there when the reader was at the end
	lastSeq uint64
	quiets  int // calls of quiet whose time is not over
}

// entry is what one row is to show. Two that are equal look the same.
type entry struct {
	key  string
	text string // of a message, a day or a note

	message bool
	user    string
	from    string
	tag     string
	sent    int64 // milliseconds since 1970
	follows bool  // shares the head of the row before
	state   string
	word    string // the state in words
}

func newTimeline(after func(time.Duration, func())) *timeline {
	return &timeline{
		clock:   newClock(),
		after:   after,
		scroll:  byID("scroll"),
		latest:  byID("latest"),
		message: byID("t-message"),
		day:     byID("t-day"),
		note:    byID("t-note"),
		rows:    newList[row](byID("messages")),
		stuck:   true,
	}
}

// draw makes the list show the view's current room.
func (t *timeline) draw(v client.View, names namesakes) {
	room := v.Room
	if room.Name != t.room {
		t.clear(room.Name)
	}
	if !room.Synced {
		t.quiet()
	}
	t.lastSeq = 0
	if n := len(room.Messages); n > 0 {
		t.lastSeq = room.Messages[n-1].Seq
	}

	anchor, was := t.anchor()
	t.place(t.entries(v, names))
	if t.stuck {
		t.toEnd()
	} else if anchor.Truthy() && anchor.Get("isConnected").Bool() {
		if moved := top(anchor) - was; moved != 0 {
			t.scroll.Set("scrollTop", t.scroll.Get("scrollTop").Float()+moved)
		}
	}
	t.drawLatest(v)
}

// clear empties the list for another room.
func (t *timeline) clear(room string) {
	t.quiet()
	t.rows.clear()
	t.room, t.stuck, t.seenSeq = room, true, 0
	t.scroll.Call("setAttribute", "aria-label", "Messages in "+room)
}

// entries lists what is to be seen, from the top down.
func (t *timeline) entries(v client.View, names namesakes) []entry {
	room := v.Room
	list := make([]entry, 0, len(room.Messages)+len(room.Pending)+8)
	if room.Refused != nil {
		list = append(list, entry{key: "refused", text: "The server does not let you into this room: " + room.Refused.Message})
	}
	if room.StartedOver {
		list = append(list, entry{key: "started-over", text: "The server's log is another one than before: what stood here is gone."})
	}

	var last entry // the message before, if nothing stands between
	var day string
	add := func(e entry) {
		at := time.UnixMilli(e.sent)
		if d := t.clock.dayOf(at); d != day {
			day, last = d, entry{}
			list = append(list, entry{key: "day " + d, text: t.dayName(d)})
		}
		e.message = true
		e.tag = names.tag(e.from, e.user)
		e.follows = last.message && last.user == e.user && last.from == e.from &&
			e.sent-last.sent < groupWithin.Milliseconds()
		list = append(list, e)
		last = e
	}

	messages, gaps := room.Messages, room.Gaps
	if t.stuck && len(messages) > maxRows {
		messages = messages[len(messages)-maxRows:]
		for len(gaps) > 0 && gaps[0].After < messages[0].Seq {
			gaps = gaps[1:]
		}
	}
	gap := func() {
		list = append(list, entry{key: "gap " + strconv.FormatUint(gaps[0].After, 10), text: "Some messages are gone: the room no longer has what was written here."})
		gaps, last = gaps[1:], entry{}
	}
	for _, m := range messages {
		for len(gaps) > 0 && gaps[0].After < m.Seq {
			gap()
		}
		e := entry{key: v.Key(m), user: m.User, from: m.From, text: m.Message, sent: m.Sent.UnixMilli()}
		if m.User == v.Me.User {
			e.state, e.word = string(client.Sent), "Sent"
		}
		add(e)
	}
	for len(gaps) > 0 {
		gap()
	}
	for _, m := range room.Pending {
		add(entry{key: m.ID, user: v.Me.User, from: v.Me.Name, text: m.Message, sent: m.Written.UnixMilli(),
			state: string(m.State), word: stateWords(m, v.State)})
	}
	return list
}

// stateWords says how far a message of ours has come.
func stateWords(m client.Pending, connection client.State) string {
	switch m.State {
	case client.Waiting:
		if connection != client.Online {
			return "Waiting for the connection"
		}
		return "Sending…"
	case client.Sent:
		return "Sent"
	case client.Rejected:
		return "Not accepted: " + m.Reason
	case client.Unsure:
		return sentence(m.Reason)
	}
	if m.Reason == "" {
		return "Not sent"
	}
	return "Not sent: " + m.Reason
}

// dayName is the day as a reader says it.
func (t *timeline) dayName(day string) string {
	now := time.Now()
	switch day {
	case t.clock.dayOf(now):
		return "Today"
	case t.clock.dayOf(now.AddDate(0, 0, -1)):
		return "Yesterday"
	}
	return day
}

// place makes the list's children those of the entries.
func (t *timeline) place(entries []entry) {
	keys := make([]string, len(entries))
	for i, e := range entries {
		keys[i] = e.key
	}
	t.rows.place(keys, func(i int) *child[row] { return t.newRow(entries[i]) })
	for _, e := range entries {
		t.fill(t.rows.children[e.key], e)
	}
}
