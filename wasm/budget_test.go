//go:build !js

package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What the page may weigh as it comes over the wire, in bytes.
const (
	maxWasm  = 1_300_000
	maxShell = 30_000 // the page, its style, the loader and wasm_exec.js together
)

var addresses = regexp.MustCompile(`/static/[a-z_]+\.[0-9a-f]{16}\.(css|js|wasm)`)

func TestBudgetOfBytes(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	html, shell := fetch(t, server.URL())
	found := slices.Compact(slices.Sorted(slices.Values(addresses.FindAllString(html, -1))))
	if len(found) != 4 {
		t.Fatalf("the page names: got %q, want style, loader, wasm_exec.js and wasm", found)
	}
	wasm := 0
	for _, address := range found {
		_, size := fetch(t, strings.TrimSuffix(server.URL(), "/")+address)
		if strings.HasSuffix(address, ".wasm") {
			wasm = size
		} else {
			shell += size
		}
	}
	t.Logf("as served: wasm %s, page, style, loader and wasm_exec.js %s", inBytes(wasm), inBytes(shell))
	if wasm >= maxWasm {
		t.Errorf("the wasm: got %s, want less than %s (a build for development compresses less: run ./build.sh)", inBytes(wasm), inBytes(maxWasm))
	}
	if shell >= maxShell {
		t.Errorf("page, style, loader and wasm_exec.js: got %s, want less than %s", inBytes(shell), inBytes(maxShell))
	}
}

// fetch gets a file as a browser does, and returns its size on the wire and, if
// it can be read as it came, the text of its plain form.
func fetch(t *testing.T, url string) (text string, size int) {
	t.Helper()
	for _, coding := range []string{"br, gzip", "identity"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Accept-Encoding", coding)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v", url, response.Status, err)
		}
		if coding == "identity" {
			text = string(body)
		} else {
			size = len(body)
		}
	}
	return text, size
}

// inBytes writes a number as 1,234,567 B.
func inBytes(n int) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits + " B"
}

// TestLinkedPackages: nhooyr's package brings net/http, with crypto/tls and all that.
// The rest is listed here, so that a package more is a decision.
func TestLinkedPackages(t *testing.T) {
	library := goList(t, "-deps", "nhooyr.io/websocket")
	for _, name := range goList(t, "-deps", "./wasm") {
		ours := strings.HasPrefix(name, "websockets/")
		if !ours && !slices.Contains(library, name) && !slices.Contains([]string{"encoding", "encoding/json", "hash/fnv"}, name) {
			t.Errorf("the wasm links %s", name)
		}
	}
	// Of what nhooyr's package brings most is thrown away again by the linker, as
	// long as we do not use it.
	forbidden := regexp.MustCompile(`^(log|mime|net|net/http|regexp|text/template|html|html/template)$|^(compress|crypto|log|mime)/`)
	for _, name := range goList(t, "-f", `{{join .Imports "\n"}}`, "./wasm", "./wasm/client/...", "./wasm/storage", "./wasm/view", "./shared") {
		if forbidden.MatchString(name) && !slices.Contains([]string{"crypto/rand", "log", "net"}, name) {
			t.Errorf("our own code imports %s", name)
		}
	}
}

// goList asks about the packages of the browser client.
func goList(t *testing.T, args ...string) []string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...)
	command.Dir = ".."
	command.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list %s: %v", args, err)
	}
	return strings.Fields(string(out))
}
