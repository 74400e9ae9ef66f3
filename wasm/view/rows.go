package view

import (
	"strconv"
	"time"

	"websockets/shared"
	"websockets/wasm/client"
)

// groupWithin is how close in time messages of one person follow each other to
// share a head.
const groupWithin = 5 * time.Minute

// Kind is what a row of the timeline is.
type Kind int

const (
	Note    Kind = iota // of the page, about the room
	Day                 // separates days
	Divider             // "New"
	Message
)

// Entry is what one row of the timeline is to show. Two that are equal look the
// same. The row of one key is one and the same element for as long as it is there.
type Entry struct {
	Kind Kind
	Key  string
	Text string // of a message, a day or a note

	Seq        uint64 // 0 while the message is pending
	User       string
	From       string
	Tag        string
	Sent       int64 // milliseconds since 1970
	Follows    bool  // shares the head of the row before
	State      string
	StateLabel string // the state in words
	Reason     string // more about it
	Retry      string // the word on the button that sends again
}

// Clock names times in the reader's language and zone.
type Clock struct {
	// Day names the day with its year, so it also tells days from each other.
	Day func(time.Time) string
	// Moment names day and time of day, short.
	Moment func(time.Time) string
}

// dayName is the day as a reader says it.
func (c Clock) dayName(day string) string {
	now := time.Now()
	switch day {
	case c.Day(now):
		return "Today"
	case c.Day(now.AddDate(0, 0, -1)):
		return "Yesterday"
	}
	return day
}

// entries lists the rows of the View's messages from one index to another. What
// stands before them counts too, so that a row looks the same whichever others
// are in the page.
func (t *Timeline) entries(v client.View, names Names, clock Clock, from, to int) []Entry {
	room := v.Room
	messages := room.Messages
	list := make([]Entry, 0, to-from+len(room.Outgoing)+8)
	note := func(key, text string) { list = append(list, Entry{Kind: Note, Key: key, Text: text}) }
	if from == 0 {
		if room.Refused != nil {
			note("refused", "The server does not let you into this room: "+room.Refused.Message)
		}
		if room.WasReset {
			note("started over", "The room's log was replaced; what was shown before is gone.")
		}
	}

	var last Entry // the message before, if nothing stands between
	var day string // of the last message
	var latest time.Time
	if from > 0 {
		last = t.entry(v, names, messages[from-1])
		latest = messages[from-1].Sent
		day = clock.Day(latest)
	}
	begin := func(at time.Time) {
		// One that goes back is of a clock that was set, or was written long ago and
		// not sent.
		if d := clock.Day(at); d != day && !at.Before(latest) {
			day, latest, last = d, at, Entry{}
			list = append(list, Entry{Kind: Day, Key: "day " + d, Text: clock.dayName(d)})
		}
	}
	add := func(e Entry) {
		e.Follows = last.Kind == Message && last.User == e.User && last.From == e.From &&
			max(e.Sent-last.Sent, last.Sent-e.Sent) < groupWithin.Milliseconds()
		list = append(list, e)
		last = e
	}

	gaps, divider := room.Gaps, t.divider(v)
	for i := from; i <= to; i++ {
		for len(gaps) > 0 && (i < len(messages) && gaps[0].After < messages[i].Seq || i == len(messages) && !room.Newer) {
			// A gap before the first row belongs to the row that is not there.
			if i > from || i > 0 && gaps[0].After >= messages[i-1].Seq {
				note("gap "+strconv.FormatUint(gaps[0].After, 10), gapText(messages, i, clock))
				last = Entry{}
			}
			gaps = gaps[1:]
		}
		if i == to {
			break
		}
		begin(messages[i].Sent)
		if i == divider {
			list = append(list, Entry{Kind: Divider, Key: "new", Text: "New"})
			last = Entry{}
		}
		add(t.entry(v, names, messages[i]))
	}
	if to < len(messages) || room.Newer {
		return list
	}
	for _, m := range room.Outgoing {
		begin(m.Written)
		add(outgoingEntry(v, names, m))
	}
	return list
}

// entry is the row of a message, but for what depends on the one before.
func (t *Timeline) entry(v client.View, names Names, m shared.Message) Entry {
	e := Entry{Kind: Message, Key: v.Key(m), Seq: m.Seq, User: m.User, From: m.From, Tag: names.Tag(m.From, m.User),
		Text: m.Message, Sent: m.Sent.UnixMilli()}
	if m.User == v.Me.User {
		e.State, e.StateLabel = string(client.Sent), "Sent"
	}
	return e
}

// outgoingEntry is the row of a message of ours that the room does not have yet.
func outgoingEntry(v client.View, names Names, m client.OutgoingMessage) Entry {
	e := Entry{Kind: Message, Key: m.ID, User: v.Me.User, From: v.Me.Name, Tag: names.Tag(v.Me.Name, v.Me.User),
		Text: m.Text, Sent: m.Written.UnixMilli(), State: string(m.State), Reason: Sentence(m.Reason)}
	switch m.State {
	case client.Pending:
		e.StateLabel = "Sending…"
		if v.State != client.Online {
			e.StateLabel = "Waiting for the connection"
		}
	case client.Sent:
		e.StateLabel = "Sent"
	case client.Failed:
		e.StateLabel, e.Retry = "Not sent", "Retry"
	case client.Rejected:
		e.StateLabel, e.Reason = "Not accepted: "+m.Reason, ""
	case client.Uncertain:
		e.StateLabel, e.Retry = "May have been sent already", "Send again"
	}
	return e
}

// gapText says that messages are missing before the i-th, as far as is known
// when they were written.
func gapText(messages []shared.Message, i int, clock Clock) string {
	text := "Some messages are gone · from " + clock.Moment(messages[i-1].Sent)
	if i < len(messages) {
		return text + " to " + clock.Moment(messages[i].Sent)
	}
	return text + " on"
}
