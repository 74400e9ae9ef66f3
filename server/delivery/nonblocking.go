package delivery

import (
	"errors"
	"syscall"
)

// nonblockingWriter writes to a socket what it takes without waiting. It is used again
// and again, so that writing allocates nothing. Each of the pool's goroutines has one.
type nonblockingWriter struct {
	data     []byte
	n        int
	attempt  func(fd uintptr) bool // writes data and sets n
	coalesce []byte                // several items in one piece: copying costs less than writev
}

// maxCoalesceBuffer is how much memory a nonblockingWriter keeps.
const maxCoalesceBuffer = 256 << 10

func (w *nonblockingWriter) init() {
	w.attempt = func(fd uintptr) bool {
		for {
			n, err := writeSocket(fd, w.data)
			w.n = n
			if !errors.Is(err, syscall.EINTR) {
				return true
			}
		}
	}
}

// write returns how many bytes of the batch the socket took. If something is wrong with
// the socket, it took none: the next write that waits finds out.
func (w *nonblockingWriter) write(socket syscall.RawConn, b *batch) int {
	if b.bytes == 0 {
		return 0
	}
	w.data, w.n = w.join(b), 0
	err := socket.Write(w.attempt)
	w.data = nil
	if cap(w.coalesce) > maxCoalesceBuffer {
		w.coalesce = nil
	}
	if err != nil {
		return 0
	}
	return max(0, w.n)
}

// join returns the batch in one piece.
func (w *nonblockingWriter) join(b *batch) []byte {
	if len(b.items) == 1 {
		return b.items[0].frames
	}
	w.coalesce = w.coalesce[:0]
	for i := range b.items {
		w.coalesce = append(w.coalesce, b.items[i].frames...)
	}
	return w.coalesce
}
