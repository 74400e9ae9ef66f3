package archtest

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestHouseRules holds the project to its architecture: who may import what, and
// what is nowhere. Each rule looks at every file, for whatever platform it is.
func TestHouseRules(t *testing.T) {
	for _, place := range broken(t, "../..") {
		t.Error(place)
	}
}

// TestHouseRulesCanBreak shows the rules a tree that breaks each of them once.
func TestHouseRulesCanBreak(t *testing.T) {
	root := t.TempDir()
	for file, text := range map[string]string{
		".gitignore":           "/bin/\n",
		"bin/built.go":         `package built; import _ "github.com/nats-io/nats.go"`, // ignored
		"docs/readme":          "",
		"server/delivery/a.go": `package delivery; import _ "websockets/server/chat"`,
		"server/main.go":       `package main; import _ "github.com/nats-io/nats.go"`,
		"server/auth/a.go":     `package auth; import _ "websockets/server/chat"`,
		"server/presence/a.go": `package presence; import _ "sync"`,
		"server/quota/a.go":    `package quota; import _ "websockets/server/chat"`,
		"server/userdata/a.go": `package userdata; import _ "websockets/server/web"`,
		"shared/event.go":      `package shared; import _ "net/http"`,
		"static/more.js":       "",
		"static/index.html":    "<script>document.write(1)</script>",
		"static/testdata/x.js": "at.innerHTML", // runs in tests only
		"wasm/dial_js.go":      `package main; import _ "github.com/gorilla/websocket"; var f = js.FuncOf(nil)`,
		"wasm/kept_js.go":      "package main\n\nvar f = js.FuncOf(nil) // as long as the page",
		"wasm/page.go":         `package main; import _ "syscall/js"`,
		"wasm/view/dial.go":    `package view; import _ "nhooyr.io/websocket"`,

		"wasm/client/conn/websocket.go": `package conn; import _ "nhooyr.io/websocket"`,
		"wasm/client/outbox/outbox.go":  `package outbox; import (_ "websockets/shared"; _ "websockets/wasm/client/conn"; _ "golang.org/x/net/html")`,
	} {
		file = filepath.Join(root, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"docs: this folder has no place at the top",
		"server/auth/a.go: websockets/server/chat may not be imported in server/auth",
		"server/delivery/a.go: websockets/server/chat may not be imported in server/delivery",
		"server/main.go: github.com/nats-io/nats.go may be imported in server/eventlog/jetstream only",
		"server/presence/a.go: sync may not be imported in server/presence",
		"server/quota/a.go: websockets/server/chat may not be imported in server/quota",
		"server/userdata/a.go: websockets/server/web may not be imported in server/userdata",
		"shared/event.go: net/http may not be imported in shared",
		"static/index.html: document.write makes HTML of a string: use textContent",
		"static/more.js: static/load.js is the only script of ours",
		"wasm/client/outbox/outbox.go: websockets/wasm/client/conn may not be imported in wasm/client/outbox",
		"wasm/client/outbox/outbox.go: golang.org/x/net/html may not be imported in wasm/client/outbox",
		"wasm/dial_js.go: github.com/gorilla/websocket may be imported in server only",
		"wasm/dial_js.go: github.com/gorilla/websocket may not be imported in wasm",
		"wasm/dial_js.go: a js.Func that nobody releases is never collected: Release it, or say \"as long as the page\" behind it",
		"wasm/page.go: syscall/js may be imported in files named _js.go only",
		"wasm/page.go: package main of wasm only touches the DOM: name it _js.go, or move it to wasm/view or wasm/client",
		"wasm/view/dial.go: nhooyr.io/websocket may be imported in wasm/client/conn/websocket.go only",
	}
	if got := broken(t, root); !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// importRules say in which files a package, or one below it, may be imported.
var importRules = []struct {
	imported string
	where    *regexp.Regexp
	says     string
}{
	// The log can become another one and nobody else notices.
	{"github.com/nats-io", regexp.MustCompile(`^server/eventlog/jetstream/`), "server/eventlog/jetstream only"},
	{"github.com/synadia-io", regexp.MustCompile(`^server/eventlog/jetstream/`), "server/eventlog/jetstream only"},
	{"github.com/gorilla/websocket", regexp.MustCompile(`^server/|_test\.go$`), "server only"},
	// The day it is replaced by its successor, one file changes.
	{"nhooyr.io/websocket", regexp.MustCompile(`^wasm/client/conn/websocket\.go$`), "wasm/client/conn/websocket.go only"},
	// What is in no such file runs natively too, and is tested there.
	{"syscall/js", regexp.MustCompile(`_js(_test)?\.go$`), "files named _js.go only"},
}

// keptOut are packages that a folder does without.
var keptOut = []struct {
	folder   string
	packages []string
}{
	// The wire contract keeps them out of every program that speaks it.
	// TestSharedStandsAlone follows what shared imports to the end.
	{"shared", []string{"net/http", "syscall/js"}},
	// Who a connection is and what is kept of users: server/chat has the sockets.
	{"server/auth", []string{"websockets/server/chat", "websockets/server/web", "websockets/server/userdata", "github.com/gorilla/websocket"}},
	{"server/userdata", []string{"net/http", "websockets/server/auth", "websockets/server/chat", "websockets/server/web", "github.com/gorilla/websocket"}},
	// Data and rules: server/chat locks, waits and sends.
	{"server/presence", []string{"context", "net", "sync", "websockets/server", "github.com/gorilla/websocket"}},
	{"server/quota", []string{"context", "net/http", "websockets/server", "github.com/gorilla/websocket"}},
	// It writes frames of timelines to a net.Conn, whoever reads from that.
	{"server/delivery", []string{
		"net/http", "github.com/gorilla/websocket", "websockets/server/chat", "websockets/server/auth",
		"websockets/server/presence", "websockets/server/quota", "websockets/server/web",
	}},
}

// clientImports say which of our packages the packages of the browser client may
// import, so that its parts stay apart. Of others' packages they import nhooyr's only.
// Tests may import what they like.
var clientImports = map[string][]string{
	"wasm":                 {"shared", "wasm/client", "wasm/storage", "wasm/view"},
	"wasm/storage":         {"wasm/client"},
	"wasm/view":            {"shared", "wasm/client"},
	"wasm/client":          {"shared", "wasm/client/conn", "wasm/client/outbox", "wasm/client/roomsync"},
	"wasm/client/roomsync": {"shared", "wasm/client/outbox"},
	"wasm/client/outbox":   {"shared"},
	"wasm/client/conn":     {"shared"},
}

// htmlFromString finds what makes HTML of a string. The page's texts come from
// strangers.
var htmlFromString = regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|Call\("write(ln)?"`)

// broken returns a line for each place that breaks a rule, in the order of their
// paths.
func broken(t *testing.T, root string) (places []string) {
	t.Helper()
	ignored, err := os.ReadFile(filepath.Join(root, ".gitignore"))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		name := entry.Name()
		switch {
		case !entry.IsDir() || name[0] == '.' || strings.Contains("\n"+string(ignored), "\n/"+name+"/\n"):
		case slices.Contains([]string{"server", "shared", "static", "wasm"}, name):
			places = append(places, brokenIn(t, root, name)...)
		default:
			places = append(places, name+": this folder has no place at the top")
		}
	}
	return places
}

func brokenIn(t *testing.T, root, folder string) (places []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(root), folder, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "testdata" || file == "static/dist"):
			return fs.SkipDir
		case entry.IsDir():
			return nil
		}
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
		if err != nil {
			return err
		}
		for _, says := range brokenBy(file, string(text)) {
			places = append(places, file+": "+says)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return places
}

// brokenBy returns what is wrong with a file.
func brokenBy(file, text string) (says []string) {
	isTest := strings.HasSuffix(file, "_test.go")
	switch path.Ext(file) {
	case ".js", ".mjs", ".cjs", ".ts", ".jsx", ".tsx":
		if file != "static/load.js" {
			says = append(says, "static/load.js is the only script of ours")
		}
	case ".go":
		says = append(says, brokenByImport(file, text)...)
		if !isTest && strings.Count(text, "js.FuncOf(") > strings.Count(text, ".Release()")+strings.Count(text, "// as long as the page") {
			says = append(says, `a js.Func that nobody releases is never collected: Release it, or say "as long as the page" behind it`)
		}
		if path.Dir(file) == "wasm" && !isTest && !strings.HasSuffix(file, "_js.go") && file != "wasm/main_other.go" {
			says = append(says, "package main of wasm only touches the DOM: name it _js.go, or move it to wasm/view or wasm/client")
		}
	}
	if found := htmlFromString.FindString(text); found != "" && !isTest {
		says = append(says, found+" makes HTML of a string: use textContent")
	}
	return says
}

func brokenByImport(file, text string) (says []string) {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, text, parser.ImportsOnly)
	if err != nil {
		return []string{err.Error()}
	}
	for _, spec := range parsed.Imports {
		imported := strings.Trim(spec.Path.Value, `"`)
		for _, rule := range importRules {
			if within(imported, rule.imported) && !rule.where.MatchString(file) {
				says = append(says, fmt.Sprintf("%s may be imported in %s", imported, rule.says))
			}
		}
		if within(file, "wasm") && !strings.HasSuffix(file, "_test.go") && !isClientImport(path.Dir(file), imported) {
			says = append(says, fmt.Sprintf("%s may not be imported in %s", imported, path.Dir(file)))
		}
		for _, rule := range keptOut {
			keeps := func(other string) bool { return within(imported, other) }
			if within(file, rule.folder) && slices.ContainsFunc(rule.packages, keeps) {
				says = append(says, fmt.Sprintf("%s may not be imported in %s", imported, rule.folder))
			}
		}
	}
	return says
}

// isClientImport reports whether a package of the browser client may import another.
func isClientImport(folder, imported string) bool {
	first, ours, _ := strings.Cut(imported, "/")
	switch {
	case first == "websockets":
		return slices.Contains(clientImports[folder], ours)
	case strings.Contains(first, "."):
		return within(imported, "nhooyr.io/websocket") // see importRules
	}
	return true
}

// within reports whether a path is that one or below it.
func within(p, parent string) bool { return p == parent || strings.HasPrefix(p, parent+"/") }

// TestSharedStandsAlone: the wire contract builds wherever Go builds, and adds
// little to the wasm. It imports the standard library only, and nothing that
// brings in net/http.
func TestSharedStandsAlone(t *testing.T) {
	for _, platform := range [][]string{{"GOOS=linux", "GOARCH=amd64"}, {"GOOS=js", "GOARCH=wasm"}} {
		list := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}} {{end}}{{join .Imports \" \"}}", "./shared")
		list.Dir, list.Env = "../..", append(os.Environ(), platform...)
		output, err := list.CombinedOutput()
		if err != nil {
			t.Fatalf("go list: %v: %s", err, output)
		}
		imported := strings.Fields(string(output))
		if !slices.Contains(imported, "encoding/json") {
			t.Errorf("%s: got imports %q, want encoding/json among them", platform[0], imported)
		}
		for _, name := range imported {
			first, _, _ := strings.Cut(name, "/")
			if within(name, "net/http") || strings.Contains(first, ".") || within(name, "websockets") && name != "websockets/shared" {
				t.Errorf("%s: shared brings in %s, want nothing but the standard library without net/http", platform[0], name)
			}
		}
	}
}
