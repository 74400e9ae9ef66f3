package servertest

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) { os.Exit(MainWithoutLeaks(m)) }
