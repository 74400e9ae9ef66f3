package main

import (
	"errors"
	"log/slog"
	"net"
	"syscall"
	"time"
)

const (
	// reservedDescriptors are kept for the files of the message log, which cannot be
	// written any more once it was refused one. Of a low limit a quarter is kept.
	reservedDescriptors = 64
	// acceptPause is how long the listener waits when the system has no descriptors left.
	acceptPause = 100 * time.Millisecond
	// refusalsEvery is the shortest time between two lines about refused connections.
	refusalsEvery = time.Second
)

// frugalListener refuses connections while few file descriptors are left, and logs that.
// Accept belongs to one goroutine.
type frugalListener struct {
	net.Listener
	logger *slog.Logger

	refused int // since the last line of the log
	logged  time.Time
}

func (l *frugalListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err == nil && descriptorOf(conn) < maxConnDescriptor() {
			return conn, nil
		}
		switch {
		case err == nil:
			_ = conn.Close()
		case isExhausted(err):
			time.Sleep(acceptPause)
		default:
			return nil, err
		}
		l.logRefusal(err)
	}
}

// logRefusal counts a refused connection, and logs how many there were.
func (l *frugalListener) logRefusal(err error) {
	l.refused++
	if time.Since(l.logged) < refusalsEvery {
		return
	}
	if err == nil {
		err = syscall.EMFILE
	}
	l.logger.Error("cannot accept connections", "err", err, "refused", l.refused,
		"hint", "raise the limit of open files: ulimit -n, or LimitNOFILE of a systemd service")
	l.refused, l.logged = 0, time.Now()
}

// isExhausted reports whether accepting has failed because the process or the system
// lacks descriptors or memory.
func isExhausted(err error) bool {
	for _, code := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}

// descriptorOf returns a connection's file descriptor. A new one is the lowest that is
// free, so it says how many are in use.
func descriptorOf(conn net.Conn) (descriptor int) {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) { descriptor = int(fd) })
	return descriptor
}
