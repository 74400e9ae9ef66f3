package bench

import (
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// process reads the memory and CPU time of a process from /proc. The methods of a nil
// process return 0.
type process struct {
	pid  int
	name string
}

// serverOf returns the process at the other end of a connection. It returns nil if
// the process is on another machine or belongs to another user.
func serverOf(conn net.Conn) *process {
	remote, err1 := netip.ParseAddrPort(conn.RemoteAddr().String())
	local, err2 := netip.ParseAddrPort(conn.LocalAddr().String())
	if err1 != nil || err2 != nil || !remote.Addr().IsLoopback() && remote.Addr() != local.Addr() {
		return nil
	}
	var sockets []string
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, _ := os.ReadFile(table)
		sockets = append(sockets, listeners(string(text), netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port()))...)
	}
	files, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, file := range files {
		if to, err := os.Readlink(file); err == nil && slices.Contains(sockets, to) {
			pid, _ := strconv.Atoi(strings.Split(file, "/")[2])
			return &process{pid, nameOf(pid)}
		}
	}
	return nil
}

// self returns this process.
func self() *process { return &process{pid: os.Getpid()} }

// listeners returns the sockets in /proc/net/tcp or tcp6 that listen at an address.
// Each has the form socket:[inode], the target of a link in /proc/PID/fd.
func listeners(table string, at netip.AddrPort) (sockets []string) {
	const state, inode, listening = 3, 9, "0A"
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) <= inode || fields[state] != listening {
			continue
		}
		host, port, _ := strings.Cut(fields[1], ":")
		number, err := strconv.ParseUint(port, 16, 16)
		address, err2 := hex.DecodeString(host)
		if err != nil || err2 != nil || uint16(number) != at.Port() {
			continue
		}
		for word := range slices.Chunk(address, 4) {
			slices.Reverse(word) // words are in host byte order, assumed to be little-endian
		}
		ip, _ := netip.AddrFromSlice(address)
		if ip.IsUnspecified() || ip.Unmap() == at.Addr() {
			sockets = append(sockets, "socket:["+fields[inode]+"]")
		}
	}
	return sockets
}

func nameOf(pid int) string {
	name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(name))
}

// memory returns the resident memory in bytes.
func (p *process) memory() int64 {
	if p == nil {
		return 0
	}
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	var kilobytes int64
	_, _ = fmt.Sscan(rest, &kilobytes)
	return kilobytes << 10
}

// tick is the unit of times in /proc. It is the same on all platforms of Go.
const tick = time.Second / 100

// cpu returns the CPU time used so far, to 10 ms.
func (p *process) cpu() time.Duration {
	if p == nil {
		return 0
	}
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	at := strings.LastIndexByte(string(stat), ')') // the name before it may contain spaces
	fields := strings.Fields(string(stat[at+1:]))
	const user, system = 11, 12
	if len(fields) <= system {
		return 0
	}
	u, _ := strconv.ParseInt(fields[user], 10, 64)
	s, _ := strconv.ParseInt(fields[system], 10, 64)
	return time.Duration(u+s) * tick
}

// memoryWatch samples a process's memory ten times a second.
type memoryWatch struct {
	process *process
	end     chan struct{}
	ended   sync.WaitGroup
	stopped sync.Once

	mu   sync.Mutex
	peak int64
}

func (p *process) watch() *memoryWatch {
	w := &memoryWatch{process: p, end: make(chan struct{})}
	w.sample()
	w.ended.Go(func() {
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				w.sample()
			case <-w.end:
				return
			}
		}
	})
	return w
}

func (w *memoryWatch) sample() int64 {
	now := w.process.memory()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.peak = max(w.peak, now)
	return now
}

// record stores the current memory.
func (w *memoryWatch) record(at *int64) { *at = w.sample() }

// stop ends the sampling and returns the peak. It may be called again.
func (w *memoryWatch) stop() int64 {
	w.stopped.Do(func() { close(w.end) })
	w.ended.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.peak
}
