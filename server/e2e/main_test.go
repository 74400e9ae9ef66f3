package e2e

import (
	"fmt"
	"io"
	"net/http"
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

// get returns the answer to a GET.
func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}
