//go:build unix

package bench

import (
	"fmt"
	"syscall"
)

// otherFiles is how many files the process has open besides its connections.
const otherFiles = 50

// checkFileLimit returns an error if the limit of open files is too low. Go has already
// raised the soft limit to the hard limit.
func checkFileLimit(connections int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || uint64(connections)+otherFiles <= uint64(limit.Cur) {
		return nil
	}
	return fmt.Errorf("--connections %d is too many: this process may open %d files; raise the hard limit (ulimit -Hn) to %d", connections, limit.Cur, connections+otherFiles)
}
