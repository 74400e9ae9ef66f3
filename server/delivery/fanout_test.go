//go:build unix

package delivery

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"websockets/server/eventlog/memlog"
	"websockets/server/servertest"
	"websockets/server/timeline"
	"websockets/shared"
)

// audience is a room with subscriptions on real connections, without a log and without
// ticks, so that only deliveries cost anything. No goroutine reads the other sides of the
// connections; drain empties them.
type audience struct {
	log   *handLog
	pool  *Pool
	conns []*Conn
	subs  []*Subscription
	peers []int // file descriptors
	body  []byte
	seq   uint64

	drained   uint64 // up to here the other sides have been drained
	want, got []byte // reused
}

func newAudience(t testing.TB, members int) *audience {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	a := &audience{log: newHandLog(memlog.Options{}), pool: newTestPool(t), body: sampleMessage().Encode()}
	source := a.log.open(t, "den", a.schedule)
	for range members {
		conn, peer := connect(t, listener)
		a.peers = append(a.peers, peer)
		c := a.pool.NewConn(conn)
		s := c.NewSubscription(source, 0, nil)
		s.syncing = false
		c.writer.subs = []*Subscription{&s}
		a.subs = append(a.subs, &s)
		a.conns = append(a.conns, c)
	}
	return a
}

// newTestPool returns a pool that ends with the test.
func newTestPool(t testing.TB) *Pool {
	ctx, cancel := context.WithCancel(context.Background())
	pool := NewPool(ctx)
	t.Cleanup(func() {
		cancel()
		pool.Wait()
	})
	return pool
}

// schedule does what a room does when its timeline has grown.
func (a *audience) schedule() {
	var ready ReadyList
	for _, s := range a.subs {
		ready.Add(s)
	}
	a.pool.Schedule(&ready)
}

// sampleMessage is a message of typical length: 80 characters.
func sampleMessage() shared.Message {
	return shared.Message{
		ID: "ZKQ7B4WX2N6M5T3RHJ8LYDPVGC", Room: "den", User: "g-3fXk29QpLmZ7", From: "Ann", Message: strings.Repeat("Hello! ", 11) + "Ann",
		Sent: time.Date(2025, 11, 23, 1, 2, 3, 456e6, time.UTC),
	}
}

// connect returns both sides of a connection. The other side is a file descriptor that
// the Go runtime does not watch.
func connect(t testing.TB, listener net.Listener) (conn net.Conn, peer int) {
	t.Helper()
	peer, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(peer) })
	to := &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: listener.Addr().(*net.TCPAddr).Port}
	if err := syscall.Connect(peer, to); err != nil {
		t.Fatal(err)
	}
	if err := syscall.SetNonblock(peer, true); err != nil {
		t.Fatal(err)
	}
	if conn, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn, peer
}

// deliver delivers the next messages as the log does. It returns when all connections
// have written them and are idle.
func (a *audience) deliver(messages int) {
	for range messages {
		a.seq++
		a.log.append("den", a.seq, a.body)
	}
	a.log.subscribers["den"].Flush()
	for _, c := range a.conns {
		for c.egress.isScheduled() {
			runtime.Gosched()
		}
	}
}

// drain reads from every connection what was delivered since the last call, and fails if
// something is missing.
func (a *audience) drain(t testing.TB) {
	a.want = a.want[:0]
	for seq := a.drained + 1; seq <= a.seq; seq++ {
		a.want = timeline.AppendFrame(a.want, seq, a.body)
	}
	a.drained = a.seq
	a.got = slices.Grow(a.got[:0], len(a.want))[:len(a.want)]
	deadline := time.Now().Add(servertest.Patience)
	for _, peer := range a.peers {
		for got := 0; got < len(a.want); {
			n, err := syscall.Read(peer, a.got[got:])
			switch {
			case err == syscall.EAGAIN && time.Now().Before(deadline): // the kernel has it in hand
				runtime.Gosched()
			case err != nil || n == 0:
				t.Fatalf("a member's connection: got %d bytes of %d: %v", got, len(a.want), err)
			default:
				got += n
			}
		}
		if !bytes.Equal(a.got, a.want) {
			t.Fatal("bytes to a member: want those that all others got")
		}
	}
}

// drainEvery is the number of messages after which the other sides are drained. It is
// small enough that no write ever blocks.
const drainEvery = 256

// BenchmarkFanOut measures the delivery of stored messages to the members of a room, up
// to and including the system call.
func BenchmarkFanOut(b *testing.B) {
	for _, members := range []int{1, 10, 100, 1000} {
		for _, batch := range []int{1, 16} {
			b.Run(fmt.Sprintf("members=%d/batch=%d", members, batch), func(b *testing.B) {
				a := newAudience(b, members)
				a.deliver(batch)
				a.drain(b)
				before := mallocs()
				b.ReportAllocs()
				for b.Loop() {
					a.deliver(batch)
					if a.seq-a.drained >= drainEvery {
						b.StopTimer()
						a.drain(b)
						b.StartTimer()
					}
				}
				deliveries := float64(b.N * members * batch)
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/deliveries, "ns/delivery")
				b.ReportMetric(float64(mallocs()-before)/deliveries, "allocs/delivery")
			})
		}
	}
}

// mallocs returns how many objects the process has allocated so far.
func mallocs() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.Mallocs
}

// A delivery allocates nothing, neither for gathering nor for the write. The ring grows
// in chunks, once for all members. The bound of half an allocation for each write leaves
// room for what the runtime allocates meanwhile.
func TestDeliveryDoesNotAllocate(t *testing.T) {
	const members, rounds = 100, 50
	for _, batch := range []int{1, 16} {
		a := newAudience(t, members)
		for range 10 { // what is kept from one delivery to the next is made
			a.deliver(batch)
		}
		a.drain(t)
		total := uint64(0)
		for range rounds {
			before := mallocs()
			a.deliver(batch)
			total += mallocs() - before
			a.drain(t)
		}
		perWrite := float64(total) / float64(members*rounds)
		if perWrite > 0.5 {
			t.Errorf("allocations for each write of %d messages: got %.3f, want none", batch, perWrite)
		}
	}
}
