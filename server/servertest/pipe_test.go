package servertest

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// call is a Read or Write that runs on a goroutine of its own.
type call struct {
	done chan struct{} // closed when it has returned
	n    int
	err  error
}

// begin calls f and returns when it has returned or waits.
func begin(f func([]byte) (int, error), p []byte) *call {
	c := &call{done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.n, c.err = f(p)
	}()
	synctest.Wait()
	return c
}

// waits reports whether the call has not returned when all goroutines have done what
// they can.
func (c *call) waits() bool {
	synctest.Wait()
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// check compares the outcome of a call that has to have returned by now.
func (c *call) check(t *testing.T, what string, n int, err error) {
	t.Helper()
	if c.waits() {
		t.Errorf("%s: it waits, want %d, %v", what, n, err)
		return
	}
	if c.n != n || !errors.Is(c.err, err) {
		t.Errorf("%s: got %d, %v, want %d, %v", what, c.n, c.err, n, err)
	}
}

func (c *call) checkWaits(t *testing.T, what string) {
	t.Helper()
	if !c.waits() {
		t.Errorf("%s: got %d, %v, want it to wait", what, c.n, c.err)
	}
}

// take reads n bytes that are there.
func take(t *testing.T, conn net.Conn, n int) string {
	t.Helper()
	p := make([]byte, n)
	_, err := io.ReadFull(conn, p)
	if err != nil {
		t.Fatalf("Read: got %v, want %d bytes", err, n)
	}
	return string(p)
}

// Whatever the sizes of Reads and Writes, both directions carry what was written.
func TestPipeCarriesBothDirections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		random := Seeded(t)
		for _, size := range []int{1, 10, 1000} {
			a, b := Pipe(size)
			var all sync.WaitGroup
			for _, way := range []struct{ from, to net.Conn }{{a, b}, {b, a}} {
				data := make([]byte, 10_000)
				for i := range data {
					data[i] = byte(random.Uint32())
				}
				writes, reads := rand.New(rand.NewPCG(random.Uint64(), 1)), rand.New(rand.NewPCG(random.Uint64(), 2))
				all.Go(func() {
					for rest := data; len(rest) > 0; {
						n, err := way.from.Write(rest[:min(len(rest), writes.IntN(3*size+1))])
						if err != nil {
							t.Errorf("Write: got %v, want no error", err)
						}
						rest = rest[n:]
					}
				})
				all.Go(func() {
					var got []byte
					for len(got) < len(data) {
						p := make([]byte, reads.IntN(3*size+1))
						n, err := way.to.Read(p)
						if err != nil {
							t.Errorf("Read: got %v, want no error", err)
						}
						got = append(got, p[:n]...)
					}
					if !bytes.Equal(got, data) {
						t.Errorf("Pipe(%d): got other bytes, want those that were written", size)
					}
				})
			}
			all.Wait()
		}
	})
}

// A Write takes what there is room for, waits for the rest, and says how much it
// has taken when its deadline interrupts it. What follows continues there.
func TestPipeStallsItsWriter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(4)
		began := time.Now()
		_ = a.SetWriteDeadline(began.Add(time.Second))
		write := begin(a.Write, []byte("0123456789"))
		write.checkWaits(t, "a Write of 10 bytes into 4")
		if got := take(t, b, 3); got != "012" {
			t.Errorf("Read: got %q, want the first 3 bytes", got)
		}
		write.checkWaits(t, "with 3 bytes read, a Write of 10 bytes into 4")
		time.Sleep(time.Second)
		write.check(t, "Write up to its deadline", 7, os.ErrDeadlineExceeded)
		begin(a.Write, []byte("x")).check(t, "Write after its deadline", 0, os.ErrDeadlineExceeded)
		_ = a.SetWriteDeadline(time.Time{})
		write = begin(a.Write, []byte("789"))
		write.checkWaits(t, "a Write without a deadline into a full buffer")
		if got := take(t, b, 7); got != "3456789" {
			t.Errorf("Read: got %q, want all that was taken, and the rest", got)
		}
		write.check(t, "Write of the rest", 3, nil)
		if took := time.Since(began); took != time.Second {
			t.Errorf("got %v, want the second of the deadline", took)
		}
	})
}

// Deadlines end what waits and fail what would not have to, until there is another.
func TestPipeDeadlines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(4)
		read := begin(a.Read, make([]byte, 4))
		read.checkWaits(t, "Read of nothing")
		_ = a.SetReadDeadline(time.Now().Add(time.Minute))
		_ = a.SetReadDeadline(time.Now().Add(time.Hour)) // the first one does not count
		time.Sleep(time.Hour - 1)
		read.checkWaits(t, "Read before its deadline")
		time.Sleep(1)
		read.check(t, "Read at its deadline", 0, os.ErrDeadlineExceeded)
		var timeout net.Error
		if !errors.As(read.err, &timeout) || !timeout.Timeout() {
			t.Errorf("error at the deadline: got %#v, want a net.Error that is a timeout", read.err)
		}

		begin(b.Write, []byte("0123")).check(t, "Write", 4, nil)
		begin(a.Read, make([]byte, 4)).check(t, "Read of 4 bytes after its deadline", 0, os.ErrDeadlineExceeded)
		write := begin(b.Write, []byte("4"))
		write.checkWaits(t, "Write into a full buffer")
		_ = b.SetDeadline(time.Unix(1, 0)) // long ago
		write.check(t, "Write whose deadline was put into the past", 0, os.ErrDeadlineExceeded)
		begin(b.Read, make([]byte, 4)).check(t, "Read of the same end", 0, os.ErrDeadlineExceeded)
		_ = a.SetReadDeadline(time.Time{})
		begin(a.Read, make([]byte, 9)).check(t, "Read without a deadline", 4, nil)
	})
}

func TestPipeClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(4)
		_ = a.SetDeadline(time.Now().Add(time.Hour))
		write, read := begin(a.Write, []byte("012345")), begin(a.Read, make([]byte, 1))
		if err := a.Close(); err != nil {
			t.Errorf("Close: got %v, want no error", err)
		}
		write.check(t, "Write of the end that is closed", 4, net.ErrClosed)
		read.check(t, "Read of the end that is closed", 0, net.ErrClosed)
		begin(a.Write, nil).check(t, "Write after Close", 0, net.ErrClosed)
		for what, err := range map[string]error{"Close": a.Close(), "SetReadDeadline": a.SetReadDeadline(time.Time{}), "SetDeadline": a.SetDeadline(time.Now())} {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s after Close: got %v, want %v", what, err, net.ErrClosed)
			}
		}

		begin(b.Write, []byte("x")).check(t, "Write of the other end", 0, syscall.EPIPE)
		if got := take(t, b, 4); got != "0123" {
			t.Errorf("Read of the other end: got %q, want what was in the buffer", got)
		}
		end := begin(b.Read, make([]byte, 1))
		end.check(t, "Read of the other end", 0, io.EOF)
		if end.err != io.EOF {
			t.Errorf("at the end: got %#v, want io.EOF itself", end.err)
		}
	})
}

// Close of one end ends what waits at the other.
func TestPipeCloseOfTheOtherEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(4)
		write, read := begin(b.Write, []byte("012345")), begin(b.Read, make([]byte, 1))
		write.checkWaits(t, "Write of 6 bytes into 4")
		read.checkWaits(t, "Read of nothing")
		_ = a.Close()
		write.check(t, "Write", 4, syscall.EPIPE)
		read.check(t, "Read", 0, io.EOF)
	})
}

// Writes of several goroutines come whole, one after the other.
func TestPipeWritesDoNotInterleave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(3)
		first, second := begin(a.Write, []byte("aaaaaa")), begin(a.Write, []byte("bb"))
		if got := take(t, b, 8); got != "aaaaaabb" {
			t.Errorf("Read: got %q, want one Write after the other", got)
		}
		first.check(t, "the first Write", 6, nil)
		second.check(t, "the second Write", 2, nil)
		// One that waits for another does not outlive the connection.
		first, second = begin(a.Write, []byte("aaaaaa")), begin(a.Write, []byte("bb"))
		_ = a.Close()
		first.check(t, "the first Write of an end that is closed", 3, net.ErrClosed)
		second.check(t, "the second Write of an end that is closed", 0, net.ErrClosed)
	})
}
