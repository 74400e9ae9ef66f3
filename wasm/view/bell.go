package view

import (
	"slices"
	"strings"
	"time"

	"websockets/shared"
)

const (
	// MaxBells is how many rooms may notify. The page stays joined to each of them, and
	// a connection can join 128 rooms.
	MaxBells = 50
	// noticeDelay is how long a notification is held back, in case the reader sees the
	// message in another tab or on another device.
	noticeDelay = 500 * time.Millisecond
	// noticeInterval is the shortest time between two notifications of a room. Messages
	// in between are combined.
	noticeInterval = 2 * time.Second
	// noticeLength bounds the text of a notification, in code points.
	noticeLength = 200
)

// Permission is the browser's permission to notify.
type Permission string

const (
	Granted     Permission = "granted"
	Denied      Permission = "denied"
	NotAsked    Permission = "default"
	Unsupported Permission = "unsupported" // the browser has no notifications for this page
	Insecure    Permission = "insecure"    // notifications need https
)

// Bell is the button that turns notifications of a room on and off.
type Bell struct {
	On    bool
	Label string
	Title string // explains the button
}

// BellOf returns the bell of a room. It is on only if the browser permits
// notifications.
func BellOf(room string, wanted bool, allowed Permission) Bell {
	b := Bell{On: wanted && allowed == Granted, Label: "Notify me of #" + room}
	if b.On {
		b.Title = "On: you are notified of new messages in #" + room + " while you look elsewhere. " +
			"The page stays in the room, so people there see you as a member while it is open. Click to turn this off."
		return b
	}
	b.Title = "Off. Click to be notified of new messages in #" + room + " while you look elsewhere. " +
		"The page then stays in the room, so people there see you as a member while it is open."
	return b
}

// BellProblem says why notifications are not permitted and what the reader can do. It
// returns "" if they are permitted.
func BellProblem(allowed Permission) string {
	switch allowed {
	case Granted:
		return ""
	case Denied:
		return "This browser blocks notifications from this page. To allow them, open the site settings " +
			"next to the page's address, allow notifications, and click the bell again."
	case Insecure:
		return "Notifications need a secure connection. This page was not loaded over https."
	case Unsupported:
		return "This browser doesn't support notifications for this page."
	}
	return "Notifications need your permission. Click the bell to be asked again."
}

// Notice is a notification.
type Notice struct {
	Room  string
	Title string
	Body  string
}

// Bells holds the rooms that notify, and the messages to notify of.
type Bells struct {
	Rooms   map[string]bool
	pending map[string]*pendingNotice
}

// pendingNotice collects the messages of a room since its last notification.
type pendingNotice struct {
	epoch  string // of the log that since belongs to
	since  uint64 // messages up to this sequence do not notify
	shown  time.Time
	latest shared.Message
	count  int // messages to notify of
}

func NewBells() *Bells {
	return &Bells{Rooms: make(map[string]bool), pending: make(map[string]*pendingNotice)}
}

// Start begins to notify of messages after seq in the log of that epoch. Later calls
// do nothing.
func (b *Bells) Start(room, epoch string, seq uint64) {
	if b.Rooms[room] && b.pending[room] == nil {
		b.pending[room] = &pendingNotice{epoch: epoch, since: seq}
	}
}

// Started reports whether Start was called for the room.
func (b *Bells) Started(room string) bool { return b.pending[room] != nil }

// Add adds a message of any user. epoch is that of the room's log, and looked is true
// if the reader is looking at the room. Add returns how long to wait before calling Due.
// It reports false if there is nothing to notify of, or if such a wait has begun already.
func (b *Bells) Add(m shared.Message, epoch, me string, looked bool, now time.Time) (wait time.Duration, ok bool) {
	r := b.pending[m.Room]
	if r != nil && r.epoch != epoch { // sequences of two logs cannot be compared
		r.epoch, r.since = epoch, 0
	}
	if !b.Rooms[m.Room] || r == nil || m.Seq <= r.since {
		return 0, false
	}
	r.since = m.Seq
	if m.User == me || looked {
		r.count = 0 // the reader has seen the earlier messages too
		return 0, false
	}
	r.latest = m
	if r.count++; r.count > 1 {
		return 0, false
	}
	return max(noticeDelay, noticeInterval-now.Sub(r.shown)), true
}

// Due returns the notification of a room. It reports false if the reader is looking at
// the room, or has read the messages meanwhile on any device.
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
	r.count, r.shown = 0, now
	n = Notice{Room: room, Title: "#" + room + " · " + isolate(r.latest.From), Body: truncate(strings.TrimSpace(r.latest.Message), noticeLength)}
	if count > 1 {
		n.Title = "#" + room + " · " + Count(count, "new message")
		n.Body = isolate(r.latest.From) + ": " + isolate(n.Body)
	}
	return n, true
}

// Set turns notifications of a room on or off. It returns false if MaxBells rooms notify
// already.
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

// Names returns the rooms that notify, sorted.
func (b *Bells) Names() []string {
	names := make([]string, 0, len(b.Rooms))
	for room := range b.Rooms {
		names = append(names, room)
	}
	slices.Sort(names)
	return names
}
