package view

import (
	"strconv"
	"time"

	"websockets/shared"
	"websockets/wasm/client"
)

// groupWithin is the longest time between two messages of one person that share a
// header.
const groupWithin = 5 * time.Minute

// Kind is the kind of a row in the timeline.
type Kind int

const (
	Note    Kind = iota // a remark of the page about the room
	Day                 // separates days
	Divider             // "New"
	Message
)

// Entry is a row of the timeline. Equal entries look the same. Entries with the same
// key use the same element.
type Entry struct {
	Kind Kind
	Key  string
	Text string // of a message, a day or a note; of a folded message its first lines

	Seq        uint64 // 0 while the message is pending
	User       string
	From       string
	Tag        string
	Sent       int64 // milliseconds since 1970
	Follows    bool  // shares the header of the row before
	State      string
	StateLabel string // text of the state
	Reason     string // details of the state
	Retry      string // label of the button that sends again
	Fold       string // label of the button that folds or unfolds a long message
}

// Clock formats times in the reader's language and time zone.
type Clock struct {
	// Day returns the date with its year. Different days have different names.
	Day func(time.Time) string
	// Moment returns a short date and time.
	Moment func(time.Time) string
}

// dayName returns Today, Yesterday or the date.
func (c Clock) dayName(day string, now time.Time) string {
	today := c.Day(now)
	if day == today {
		return "Today"
	}
	// A day has 23, 24 or 25 hours. Only the browser knows how many, so this asks for one
	// hour after the other.
	yesterday := today
	for hours := time.Duration(1); yesterday == today && hours <= 25; hours++ {
		yesterday = c.Day(now.Add(-hours * time.Hour))
	}
	if day == yesterday {
		return "Yesterday"
	}
	return day
}

// entries returns the rows of the View's messages from one index to another. A row
// depends on the message before it even if that one is not in the page.
func (t *Timeline) entries(v client.View, names Names, clock Clock, from, to int) []Entry {
	room := v.Room
	messages := room.Messages
	list := make([]Entry, 0, to-from+len(room.Outgoing)+8)
	note := func(key, text string) { list = append(list, Entry{Kind: Note, Key: key, Text: text}) }
	if from == 0 {
		if room.Refused != nil {
			note("refused", "You can't join this room: "+room.Refused.Message)
		}
		if room.WasReset {
			note("started over", "This room's history was replaced. Earlier messages are gone.")
		}
	}

	var last Entry // the message directly above, zero if there is another row between
	var day string // of the last message
	var latest time.Time
	if from > 0 {
		last = t.entry(v, names, messages[from-1])
		latest = messages[from-1].Sent
		day = clock.Day(latest)
	}
	begin := func(at time.Time) {
		// An earlier day means that a clock was changed, or that the message was
		// written long before it was sent. It gets no row.
		if d := clock.Day(at); d != day && !at.Before(latest) {
			day, latest, last = d, at, Entry{}
			list = append(list, Entry{Kind: Day, Key: "day " + d, Text: clock.dayName(d, time.Now())})
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
			// A gap before the first row belongs to a row that is not in the page.
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
		e := outgoingEntry(v, names, m)
		t.fold(&e)
		add(e)
	}
	return list
}

// entry returns the row of a message, except for Follows.
func (t *Timeline) entry(v client.View, names Names, m shared.Message) Entry {
	e := Entry{Kind: Message, Key: v.Key(m), Seq: m.Seq, User: m.User, From: m.From, Tag: names.Tag(m.From, m.User),
		Text: m.Message, Sent: m.Sent.UnixMilli()}
	t.fold(&e)
	if m.User == v.Me.User {
		e.State, e.StateLabel = string(client.Sent), "Sent"
	}
	return e
}

// outgoingEntry returns the row of a message of the reader's that has not been
// delivered yet.
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

// gapText says that messages are missing before the i-th, and between which times.
func gapText(messages []shared.Message, i int, clock Clock) string {
	text := "Some messages are gone · from " + isolate(clock.Moment(messages[i-1].Sent))
	if i < len(messages) {
		return text + " to " + isolate(clock.Moment(messages[i].Sent))
	}
	return text + " on"
}
