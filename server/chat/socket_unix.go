//go:build unix

package chat

import "syscall"

// rawConn returns the socket below a connection, nil if it has none.
func rawConn(conn any) syscall.RawConn {
	if c, ok := conn.(syscall.Conn); ok {
		if raw, err := c.SyscallConn(); err == nil {
			return raw
		}
	}
	return nil
}

// writeNow writes what the socket takes without waiting.
func writeNow(socket uintptr, p []byte) (int, error) { return syscall.Write(int(socket), p) }
