//go:build unix

package delivery

import "syscall"

// rawConn returns the socket below a connection, nil if it has none.
func rawConn(conn any) syscall.RawConn {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// writeSocket writes what the socket takes without waiting.
func writeSocket(fd uintptr, p []byte) (int, error) { return syscall.Write(int(fd), p) }
