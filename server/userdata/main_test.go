package userdata

import (
	"os"
	"testing"

	"websockets/server/eventlog"
	"websockets/server/eventlog/memlog"
	"websockets/server/servertest"
)

func TestMain(m *testing.M) { os.Exit(servertest.MainWithoutLeaks(m)) }

// openLog opens a log in memory, which is closed when the test ends.
func openLog(t *testing.T) *memlog.Log {
	t.Helper()
	log := memlog.Open(memlog.Options{})
	t.Cleanup(log.Close)
	return log
}

// closedUsers returns a store that cannot be reached.
func closedUsers(t *testing.T) eventlog.Values {
	t.Helper()
	log := memlog.Open(memlog.Options{})
	log.Close()
	return log.Values(eventlog.Users)
}
