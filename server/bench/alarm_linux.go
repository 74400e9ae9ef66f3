package bench

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// alarm sleeps with a precision of about 50 µs. Go's timers are up to a millisecond
// late in a process that waits for its sockets, which would distort every latency.
type alarm struct {
	fd    int
	timer *os.File // nil if timerfd is not available
}

func newAlarm() alarm {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return alarm{}
	}
	return alarm{fd, os.NewFile(uintptr(fd), "timer")}
}

func (a alarm) sleep(d time.Duration) {
	if a.timer != nil && unix.TimerfdSettime(a.fd, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}, nil) == nil {
		var expired [8]byte
		if _, err := a.timer.Read(expired[:]); err == nil {
			return
		}
	}
	time.Sleep(d)
}

func (a alarm) close() {
	if a.timer != nil {
		_ = a.timer.Close()
	}
}
