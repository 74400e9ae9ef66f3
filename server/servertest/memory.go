package servertest

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// Memory returns the running server's resident memory in bytes.
func (p *Process) Memory() int64 {
	p.t.Helper()
	bytes, err := resident(p.PID())
	if errors.Is(err, os.ErrNotExist) {
		p.t.Skip("NOT RUN: the server's memory cannot be read: there is no /proc")
	} else if err != nil {
		p.t.Fatal(err)
	}
	return bytes
}

func resident(pid int) (bytes int64, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, err = fmt.Sscan(Between(status, "VmRSS:", "kB"), &bytes)
	return bytes << 10, err
}

// WatchMemory reads the server's memory every 20 ms until the function that it
// returns is called, which returns the most that was seen.
func (p *Process) WatchMemory() (peak func() int64) {
	pid, most := p.PID(), p.Memory()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				bytes, _ := resident(pid)
				most = max(most, bytes)
			case <-stop:
				return
			case <-p.t.Context().Done():
				return
			}
		}
	}()
	return func() int64 {
		close(stop)
		<-stopped
		return most
	}
}
