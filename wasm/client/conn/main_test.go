//go:build !js

package conn

import (
	"flag"
	"os"
	"testing"

	"websockets/server/servertest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// The parallel tests mostly wait: for a real server, and for a close frame that
	// never comes.
	_ = flag.Set("test.parallel", "8")
	os.Exit(servertest.MainWithoutLeaks(m))
}
