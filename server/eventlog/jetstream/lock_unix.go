//go:build unix

package jetstream

import (
	"os"
	"syscall"
)

// lockFile locks a file until unlockFile or the end of the process.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// unlockFile unlocks and closes a file. Closing alone would leave it locked for as long as
// a process that is just being started has the same file open, which is until it runs its
// program.
func unlockFile(f *os.File) {
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
	_ = f.Close()
}
