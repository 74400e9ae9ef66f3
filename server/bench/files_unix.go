//go:build unix

package bench

import (
	"fmt"
	"syscall"
)

// otherFiles is what a process has open beside the connections.
const otherFiles = 50

// filesFor returns an error if so many connections cannot be opened. Go has raised
// the limit as far as the process may by itself.
func filesFor(connections int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || uint64(connections)+otherFiles <= uint64(limit.Cur) {
		return nil
	}
	return fmt.Errorf("--connections %d: this process may have %d files open; raise the hard limit (ulimit -Hn) to %d, or use fewer", connections, limit.Cur, connections+otherFiles)
}
