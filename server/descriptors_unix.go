//go:build unix

package main

import (
	"math"
	"syscall"
)

// maxConnDescriptor returns the descriptor from which on there are too few for
// connections. The limit may change while the server runs.
func maxConnDescriptor() int {
	var limit syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	if err != nil {
		return math.MaxInt
	}
	n := int(min(uint64(limit.Cur), math.MaxInt32))
	return n - min(reservedDescriptors, n/4)
}
