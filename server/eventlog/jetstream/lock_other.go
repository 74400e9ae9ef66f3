//go:build !unix

package jetstream

import "os"

// lockFile opens the file; elsewhere than on Unix two processes on one folder
// are not noticed.
func lockFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
}
