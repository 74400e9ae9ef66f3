//go:build unix

package servertest

import (
	"errors"
	"syscall"
)

// smallWindow makes the receive buffer small and the segments those of an
// Ethernet: the kernel would let the window of larger ones grow at once.
func smallWindow(_, _ string, socket syscall.RawConn) (err error) {
	const bytes, segment = 16 << 10, 1400
	controlErr := socket.Control(func(fd uintptr) {
		err = errors.Join(
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, bytes),
			syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, segment))
	})
	return errors.Join(controlErr, err)
}
