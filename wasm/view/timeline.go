package view

import (
	"strconv"
	"time"

	"websockets/wasm/client"
)

// groupWithin is how close in time messages of one person follow each other to
// share a head.
const groupWithin = 5 * time.Minute

// maxRows is how many messages are in the page while the reader is at the end:
// laying out more costs more with each new one. Further up all are there.
const maxRows = 300

// Entry is what one row of the timeline is to show. Two that are equal look the
// same.
type Entry struct {
	Key  string
	Text string // of a message, a day or a note

	Message bool
	User    string
	From    string
	Tag     string
	Sent    int64 // milliseconds since 1970
	Follows bool  // shares the head of the row before
	State   string
	Word    string // the state in words
}

// Entries lists what is to be seen of the current room, from the top down. dayOf
// names a day with its year in the reader's language and zone, so it also tells
// days from each other.
func Entries(v client.View, names Names, dayOf func(time.Time) string, atEnd bool) []Entry {
	room := v.Room
	list := make([]Entry, 0, len(room.Messages)+len(room.Pending)+8)
	if room.Refused != nil {
		list = append(list, Entry{Key: "refused", Text: "The server does not let you into this room: " + room.Refused.Message})
	}
	if room.StartedOver {
		list = append(list, Entry{Key: "started-over", Text: "The server's log is another one than before: what stood here is gone."})
	}

	var last Entry // the message before, if nothing stands between
	var day string
	add := func(e Entry) {
		at := time.UnixMilli(e.Sent)
		if d := dayOf(at); d != day {
			day, last = d, Entry{}
			list = append(list, Entry{Key: "day " + d, Text: dayName(d, dayOf)})
		}
		e.Message = true
		e.Tag = names.Tag(e.From, e.User)
		e.Follows = last.Message && last.User == e.User && last.From == e.From &&
			e.Sent-last.Sent < groupWithin.Milliseconds()
		list = append(list, e)
		last = e
	}

	messages, gaps := room.Messages, room.Gaps
	if atEnd && len(messages) > maxRows {
		messages = messages[len(messages)-maxRows:]
		for len(gaps) > 0 && gaps[0].After < messages[0].Seq {
			gaps = gaps[1:]
		}
	}
	gap := func() {
		list = append(list, Entry{Key: "gap " + strconv.FormatUint(gaps[0].After, 10), Text: "Some messages are gone: the room no longer has what was written here."})
		gaps, last = gaps[1:], Entry{}
	}
	for _, m := range messages {
		for len(gaps) > 0 && gaps[0].After < m.Seq {
			gap()
		}
		e := Entry{Key: v.Key(m), User: m.User, From: m.From, Text: m.Message, Sent: m.Sent.UnixMilli()}
		if m.User == v.Me.User {
			e.State, e.Word = string(client.Sent), "Sent"
		}
		add(e)
	}
	for len(gaps) > 0 {
		gap()
	}
	for _, m := range room.Pending {
		add(Entry{Key: m.ID, User: v.Me.User, From: v.Me.Name, Text: m.Message, Sent: m.Written.UnixMilli(),
			State: string(m.State), Word: stateWords(m, v.State)})
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
		return Sentence(m.Reason)
	}
	if m.Reason == "" {
		return "Not sent"
	}
	return "Not sent: " + m.Reason
}

// dayName is the day as a reader says it.
func dayName(day string, dayOf func(time.Time) string) string {
	now := time.Now()
	switch day {
	case dayOf(now):
		return "Today"
	case dayOf(now.AddDate(0, 0, -1)):
		return "Yesterday"
	}
	return day
}
