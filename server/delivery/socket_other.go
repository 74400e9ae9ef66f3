//go:build !unix

package delivery

import (
	"errors"
	"syscall"
)

// rawConn returns nil: here the pool leaves writing to writeMessages.
func rawConn(any) syscall.RawConn { return nil }

func writeSocket(uintptr, []byte) (int, error) { return 0, errors.ErrUnsupported }
