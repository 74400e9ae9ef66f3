//go:build !unix

package servertest

import (
	"errors"
	"syscall"
)

func smallWindow(_, _ string, _ syscall.RawConn) error {
	return errors.New("SmallWindow needs the socket options of Unix")
}
