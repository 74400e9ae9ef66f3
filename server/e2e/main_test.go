package e2e

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"websockets/server/servertest"
)

func TestMain(m *testing.M) {
	code := servertest.Main(m)
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, "FAIL: goroutines that outlive the tests:", err)
			code = 1
		}
	}
	os.Exit(code)
}
