//go:build !unix

package jetstream

import "os"

// lockFile opens the file without a lock: only on Unix is a second process on the
// same folder noticed.
func lockFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
}

func unlockFile(f *os.File) { _ = f.Close() }
