package view

import (
	"slices"
	"strings"
	"time"

	"websockets/shared"
)

const (
	// MaxBells is how many rooms may notify: the page stays in each of them, and a
	// connection is in 128 at most.
	MaxBells = 50
	// noticeDelay is how long a notification waits for the news that the reader has
	// seen the message in another tab or on another device.
	noticeDelay = 500 * time.Millisecond
	// noticeInterval is how often at most a room notifies; what comes between is told
	// together.
	noticeInterval = 2 * time.Second
	// noticeLength is how much of a message a notification has, in code points.
	noticeLength = 200
)

// Permission is what the browser says of notifications.
type Permission string

const (
	Granted     Permission = "granted"
	Denied      Permission = "denied"
	NotAsked    Permission = "default"
	Unsupported Permission = "unsupported" // the browser has none for a page like this
	Insecure    Permission = "insecure"    // it has, for pages from https
)

// Bell is the button that makes a room notify.
type Bell struct {
	On    bool
	Label string
	Title string // what it means
}

// BellOf says what the room's bell shows: it is on only if the browser lets it
// ring.
func BellOf(room string, wanted bool, allowed Permission) Bell {
	b := Bell{On: wanted && allowed == Granted, Label: "Notify me of #" + room}
	if b.On {
		b.Title = "On: this computer tells you when somebody writes in #" + room + " and you look elsewhere. " +
			"For that the page stays in the room, and people there see you as a member while it is open. Press to turn it off."
		return b
	}
	b.Title = "Off. Press to be told on this computer when somebody writes in #" + room + " and you look elsewhere. " +
		"For that the page stays in the room, and people there see you as a member while it is open."
	return b
}

// BellProblem says why a bell does not ring and what can be done, empty if it
// does.
func BellProblem(allowed Permission) string {
	switch allowed {
	case Granted:
		return ""
	case Denied:
		return "This browser does not let the page notify you. To change that, open the site's settings, " +
			"beside the address of this page, allow notifications there, and press the bell again."
	case Insecure:
		return "Browsers let a page notify only if it comes from an https address. This one does not."
	case Unsupported:
		return "This browser has no notifications for a page like this one."
	}
	return "Without your permission the bell stays off. Press it again to be asked again."
}

// Notice is a notification.
type Notice struct {
	Room  string
	Title string
	Body  string
}

// Bells are the rooms that notify.
type Bells struct {
	Rooms   map[string]bool
	pending map[string]*pendingNotice
}

// ring is what has come in a room that is not told yet.
type pendingNotice struct {
	epoch  string // of the log that since counts in
	since  uint64 // what lay before was there when we came
	told   time.Time
	latest shared.Message
	count  int // messages that wait to be told
}

func NewBells() *Bells {
	return &Bells{Rooms: make(map[string]bool), pending: make(map[string]*pendingNotice)}
}

// Start says that the room has shown all there was up to seq of the log epoch. It
// is of use the first time only.
func (b *Bells) Start(room, epoch string, seq uint64) {
	if b.Rooms[room] && b.pending[room] == nil {
		b.pending[room] = &pendingNotice{epoch: epoch, since: seq}
	}
}

// Started reports whether Start was called for the room.
func (b *Bells) Started(room string) bool { return b.pending[room] != nil }

// Add takes a message of a room, by anybody, with the epoch of the room's log,
// and looked whether the reader has the room before him. It returns how long to wait before asking Due, false if
// there is nothing to tell or somebody waits already.
func (b *Bells) Add(m shared.Message, epoch, me string, looked bool, now time.Time) (wait time.Duration, ok bool) {
	r := b.pending[m.Room]
	if r != nil && r.epoch != epoch { // another log, whose sequences say nothing of the old one's
		r.epoch, r.since = epoch, 0
	}
	if !b.Rooms[m.Room] || r == nil || m.Seq <= r.since {
		return 0, false
	}
	r.since = m.Seq
	if m.User == me || looked {
		r.count = 0 // he has read, or written himself, what came before
		return 0, false
	}
	r.latest = m
	if r.count++; r.count > 1 {
		return 0, false
	}
	return max(noticeDelay, noticeInterval-now.Sub(r.told)), true
}

// Due returns what to tell of a room, nothing if the reader looks at it or has
// read all of it since, here or elsewhere.
func (b *Bells) Due(room string, looks bool, read uint64, now time.Time) (n Notice, ok bool) {
	r := b.pending[room]
	if r == nil {
		return Notice{}, false
	}
	if looks || r.latest.Seq <= read {
		r.count = 0
	}
	if r.count == 0 {
		return Notice{}, false
	}
	count := r.count
	r.count, r.told = 0, now
	n = Notice{Room: room, Title: "#" + room + " · " + r.latest.From, Body: truncate(strings.TrimSpace(r.latest.Message), noticeLength)}
	if count > 1 {
		n.Title = "#" + room + " · " + Count(count, "new message")
		n.Body = r.latest.From + ": " + n.Body
	}
	return n, true
}

// Set makes a room notify or not. It returns false if there are too many.
func (b *Bells) Set(room string, on bool) bool {
	switch {
	case !on:
		delete(b.Rooms, room)
		delete(b.pending, room)
	case len(b.Rooms) >= MaxBells && !b.Rooms[room]:
		return false
	default:
		b.Rooms[room] = true
	}
	return true
}

// Names returns the rooms in order.
func (b *Bells) Names() []string {
	names := make([]string, 0, len(b.Rooms))
	for room := range b.Rooms {
		names = append(names, room)
	}
	slices.Sort(names)
	return names
}
