package client

import (
	"context"
	"slices"

	"websockets/shared"
)

const (
	// maxWindow is how many messages of a room are kept for a user who reads
	// further up than its tail.
	maxWindow = 600
	// windowPage is by how many messages the window is extended at once.
	windowPage = shared.MaxHistory
)

// window is the part of a room that the user reads while he is not at its end:
// a range of the log, at most maxWindow messages. The room's tail goes on beside
// it, with all that hangs on the tail: cursor, unread, outbox.
//
// A window that ends where the tail ends grows with it until it is full; from
// then on there are newer messages than it shows.
type window struct {
	messages []shared.Message // at least one; not changed in place: a View shares them
	more     bool             // there are older ones
}

func (w *window) first() uint64 { return w.messages[0].Seq }
func (w *window) last() uint64  { return w.messages[len(w.messages)-1].Seq }

// visible returns what the view shows of the room: messages, whether there are
// older ones, and whether there are newer ones.
func (r *room) visible() (messages []shared.Message, more, newer bool) {
	if w := r.window; w != nil {
		return w.messages, w.more, !r.windowAtTail()
	}
	return r.messages, r.more, false
}

// visibleGaps returns the missing ranges between, and after, the messages that are
// shown.
func (r *room) visibleGaps() (gaps []shared.Truncated) {
	messages, _, newer := r.visible()
	if len(messages) == 0 {
		return nil
	}
	first, last := messages[0].Seq, messages[len(messages)-1].Seq
	for _, gap := range r.gaps {
		if gap.After >= first && (!newer || gap.After < last) {
			gaps = append(gaps, gap)
		}
	}
	return gaps
}

// windowAtTail reports whether the window ends where the tail does.
func (r *room) windowAtTail() bool {
	return r.window.last() >= r.messages[len(r.messages)-1].Seq
}

// pinWindow opens a window where the tail is now.
func (r *room) pinWindow() {
	if r.window == nil && len(r.messages) > 0 {
		r.window = &window{messages: slices.Clip(r.messages), more: r.more}
	}
}

// extendOlder puts a page of history before what is shown. The tail takes it while it
// has room.
func (r *room) extendOlder(page shared.HistoryPayload) {
	if r.window == nil && len(r.messages)+len(page.Messages) <= maxTail {
		r.prepend(page)
		return
	}
	r.pinWindow()
	w := r.window
	w.messages = slices.Concat(below(page.Messages, w.first()), w.messages)
	w.more = page.More
	if len(w.messages) > maxWindow {
		w.messages = slices.Clip(w.messages[:maxWindow])
	}
}

// below returns the messages before a sequence.
func below(messages []shared.Message, seq uint64) []shared.Message {
	for len(messages) > 0 && messages[len(messages)-1].Seq >= seq {
		messages = messages[:len(messages)-1]
	}
	return messages
}

// extendNewer puts messages behind the window, those that are not in it yet.
func (r *room) extendNewer(messages []shared.Message) {
	w := r.window
	for len(messages) > 0 && messages[0].Seq <= w.last() {
		messages = messages[1:]
	}
	w.messages = slices.Concat(w.messages, messages[:min(len(messages), windowPage)])
	if n := len(w.messages) - maxWindow; n > 0 {
		w.messages, w.more = w.messages[n:], true
	}
}

// LoadOlder waits for a page of messages before the first one that the room's
// view shows, and shows it. The view shows a bounded part of the room: what it
// gains at one end it loses at the other, see RoomView.Newer. Errors are those of
// Call, and ErrNoRoom if the room was never joined.
func (c *Client) LoadOlder(ctx context.Context, name string) error {
	c.mu.Lock()
	r := c.findRoom(name)
	if r == nil || r.cursor == nil {
		c.mu.Unlock()
		return ErrNoRoom // nothing is known of it that something could be older than
	}
	messages, more, _ := r.visible()
	if !more {
		c.mu.Unlock()
		return nil
	}
	w, before, resets := r.window, r.cursor.Seq+1, r.resetCount
	if len(messages) > 0 {
		before = messages[0].Seq
	}
	c.mu.Unlock()

	page, err := Call(ctx, c, shared.LoadHistory,
		shared.LoadHistoryPayload{Room: name, Before: before, Limit: windowPage}, shared.History)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	messages, _, _ = r.visible()
	if r.resetCount != resets || r.window != w || len(messages) > 0 && messages[0].Seq != before {
		return nil // the page is of another log, or the user is elsewhere by now
	}
	r.extendOlder(page)
	c.callbacks.notifyChange()
	return nil
}

// LoadNewer is LoadOlder in the other direction, for a view that does not reach
// the room's newest messages. It asks the server only for what lies between the
// view and them.
func (c *Client) LoadNewer(ctx context.Context, name string) error {
	c.mu.Lock()
	r := c.findRoom(name)
	if r == nil || r.window == nil || r.windowAtTail() {
		c.mu.Unlock()
		return nil
	}
	w, after := r.window, r.window.last()
	if r.messages[0].Seq <= after {
		r.extendNewer(r.messages)
		c.callbacks.notifyChange()
		c.mu.Unlock()
		return nil
	}
	c.mu.Unlock()

	page, err := Call(ctx, c, shared.LoadHistory,
		shared.LoadHistoryPayload{Room: name, After: after, Limit: windowPage}, shared.History)
	if err != nil {
		return err
	}
	// While the message at after is there, retention has taken nothing behind it.
	// That is asked later than the page, so that the answer holds for the page.
	last, err := Call(ctx, c, shared.LoadHistory,
		shared.LoadHistoryPayload{Room: name, Before: after + 1, Limit: 1}, shared.History)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.window != w || w.last() != after {
		return nil // the user is elsewhere by now, or the log is another one
	}
	messages := page.Messages
	if len(messages) == 0 && !page.More { // all that the log had there is gone
		messages = r.messages
	}
	if n := len(last.Messages); len(messages) > 0 && (n == 0 || last.Messages[n-1].Seq != after) {
		r.addGap(shared.Truncated{After: after, First: messages[0].Seq})
	}
	r.extendNewer(messages)
	c.callbacks.notifyChange()
	return nil
}

// ShowLatest makes the room's view show its newest messages again.
func (c *Client) ShowLatest(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.findRoom(name); r != nil && r.window != nil {
		r.window = nil
		c.callbacks.notifyChange()
	}
}

// PinView says that the user reads further up: what the room's view shows stays
// there when new messages come, until ShowLatest or until the room is left.
func (c *Client) PinView(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.findRoom(name); r != nil && r.desired {
		r.pinWindow()
	}
}
