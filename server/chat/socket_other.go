//go:build !unix

package chat

import (
	"errors"
	"syscall"
)

// rawConn returns nil: here the writers leave writing to writeMessages, which waits.
func rawConn(any) syscall.RawConn { return nil }

func writeNow(uintptr, []byte) (int, error) { return 0, errors.ErrUnsupported }
