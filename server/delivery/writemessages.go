package delivery

import (
	"errors"
	"net"
	"os"
	"time"
)

// writeMessages writes all there is to write, waiting for the client and the log where
// it must, and returns when there is no more. It is the driver on a goroutine of its
// own.
//
// It holds of the subscriptions only what one write is trying to get out. A write that
// stalls is interrupted, and rolled back: then writeMessages waits with one frame in
// hand, and comes back to the ring or the log when that is out. So a reader that has
// stopped costs one frame.
func (w *writer) writeMessages() {
	var b batch
	for {
		idle, err := w.writeOnce(&b)
		b.reset()
		w.window.release(err == nil && w.partial == nil)
		if err != nil {
			w.fail(err)
			return
		}
		if idle && w.conn.egress.goIdle() {
			return
		}
	}
}

// writeOnce writes what can be had without waiting, then what had to be waited for. It
// reports whether there was nothing of either.
func (w *writer) writeOnce(b *batch) (idle bool, err error) {
	stop := w.next(b)
	if len(b.items) == 0 && stop.reason == waitForNothing {
		return true, nil
	}
	err = w.write(b)
	if err != nil || w.partial != nil {
		return false, err
	}
	b.reset()
	err = w.fetch(b, stop)
	if err != nil {
		return false, err
	}
	return false, w.write(b)
}

// fetch waits for what next has named and adds it to the batch. Errors of the log end
// the connection; the client comes back with its cursors.
func (w *writer) fetch(b *batch, stop waiting) error {
	switch {
	case stop.reason == waitForFrame:
		w.buildFrame(b)
	case stop.reason == waitForLog && stop.sub.hasCaughtUp():
		return w.fetchSynced(b, stop.sub)
	case stop.reason == waitForLog:
		return w.fetchPage(b, stop.sub)
	}
	return nil
}

// buildFrame builds the first frame of the queue and adds it.
func (w *writer) buildFrame(b *batch) {
	out := w.conn.egress.takeFirst()
	cursor, err := out.at.source.Timeline.Cursor(w.conn.pool.ctx, out.at.seq)
	out.frame = out.build(cursor, err)
	w.addOwn(b, &out)
}

// fetchSynced asks the log for the client's cursor and adds the synced event.
func (w *writer) fetchSynced(b *batch, s *Subscription) error {
	cursor, err := s.source.Timeline.Cursor(w.conn.pool.ctx, s.seq)
	if err != nil {
		return err
	}
	b.add(writeItem{frames: s.syncedFrame(cursor), sub: s, from: s.seq, synced: true})
	s.syncing = false
	return nil
}

// fetchPage adds a page of the log, after an event that tells what is gone before it.
func (w *writer) fetchPage(b *batch, s *Subscription) error {
	page, err := s.source.Timeline.Read(w.conn.pool.ctx, s.seq, w.window.acquire(&w.conn.pool.readBytes))
	if err != nil {
		return err
	}
	if page.Gone != nil && !s.knows(*page.Gone) {
		b.add(writeItem{frames: s.truncatedFrame(*page.Gone), sub: s, from: s.seq, gone: page.Gone})
	}
	gatherFrames(b, s, page.Frames, page.Last)
	if !gatherSynced(b, s) {
		return w.fetchSynced(b, s)
	}
	return nil
}

// write writes the batch with one system call and waits until the client has taken it,
// or the write is interrupted.
func (w *writer) write(b *batch) error {
	if len(b.items) == 0 {
		return nil
	}
	c := w.conn
	c.liveness.writing.Store(int64(c.pool.Now()))
	n, err := b.writeTo(c.net)
	waited := c.liveness.writing.Swap(0) != int64(c.pool.Now())
	if n > 0 && waited {
		c.NoteActivity() // the client took something that the kernel had no room for
	}
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	if err != nil { // interrupted
		err = c.net.SetWriteDeadline(time.Time{})
		if err != nil {
			return err
		}
	}
	return w.sent(b, n)
}

// writeTo writes the batch. It returns how many bytes are out.
func (b *batch) writeTo(conn net.Conn) (int, error) {
	if len(b.items) == 1 {
		return conn.Write(b.items[0].frames)
	}
	buffers := make(net.Buffers, 0, len(b.items))
	for _, item := range b.items {
		buffers = append(buffers, item.frames)
	}
	n, err := buffers.WriteTo(conn)
	return int(n), err
}
