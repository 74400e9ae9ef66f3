package delivery

import (
	"os"
	"testing"

	"websockets/server/servertest"
)

func TestMain(m *testing.M) { os.Exit(servertest.MainWithoutLeaks(m)) }
