package archtest

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the root of the module.
var root = filepath.Join("..", "..")

func TestTreeKeepsRules(t *testing.T) {
	for _, v := range violations(t, root) {
		t.Error(v)
	}
}

// The tree in this test breaks each rule at least once.
func TestRulesFindViolations(t *testing.T) {
	root := t.TempDir()
	doc := func(file string) string { return "//\t" + file + "  what is in it\npackage p\n" }
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

		"server/doc.go":             doc("main.go"),
		"server/auth/doc.go":        doc("a.go"),
		"server/delivery/doc.go":    doc("a*.go"),
		"server/presence/doc.go":    doc("b.go"),
		"server/userdata/doc.go":    doc("a.go"),
		"shared/doc.go":             doc("event.go"),
		"wasm/doc.go":               doc("dial_js.go, kept_js.go, page.go"),
		"wasm/view/doc.go":          doc("dial.go"),
		"wasm/client/conn/doc.go":   doc("websocket.go"),
		"wasm/client/outbox/doc.go": doc("outbox.go"),
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
		"docs: the only top-level folders are server, shared, static and wasm",
		"server/auth/a.go: websockets/server/chat may not be imported in server/auth",
		"server/delivery/a.go: websockets/server/chat may not be imported in server/delivery",
		"server/main.go: github.com/nats-io/nats.go may be imported in server/eventlog/jetstream only",
		"server/presence/a.go: sync may not be imported in server/presence",
		"server/quota/a.go: websockets/server/chat may not be imported in server/quota",
		"server/userdata/a.go: websockets/server/web may not be imported in server/userdata",
		"server/presence/doc.go: there is no file b.go",
		"server/presence/doc.go: a.go is missing in the map",
		"server/quota: this package has no doc.go",
		"shared/event.go: net/http may not be imported in shared",
		"static/index.html: document.write parses a string as HTML: use textContent",
		"static/more.js: static/load.js is the only JavaScript file",
		"wasm/client/outbox/outbox.go: websockets/wasm/client/conn may not be imported in wasm/client/outbox",
		"wasm/client/outbox/outbox.go: golang.org/x/net/html may not be imported in wasm/client/outbox",
		"wasm/dial_js.go: github.com/gorilla/websocket may be imported in server only",
		"wasm/dial_js.go: github.com/gorilla/websocket may not be imported in wasm",
		"wasm/dial_js.go: a js.Func is never collected unless it is released: call Release, or add the comment \"as long as the page\"",
		"wasm/page.go: syscall/js may be imported in files named _js.go only",
		"wasm/page.go: package main is for code that uses the DOM: name the file _js.go, or move it to wasm/view, wasm/storage or wasm/client",
		"wasm/view/dial.go: nhooyr.io/websocket may be imported in wasm/client/conn/websocket*.go only",
	}
	if got := violations(t, root); !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// importRules list packages that only some files may import. A rule for a package
// includes the packages below it.
var importRules = []struct {
	imported string
	where    *regexp.Regexp
	allowed  string
}{
	// So that no other package depends on how the log is implemented.
	{"github.com/nats-io", regexp.MustCompile(`^server/eventlog/jetstream/`), "server/eventlog/jetstream only"},
	{"github.com/synadia-io", regexp.MustCompile(`^server/eventlog/jetstream/`), "server/eventlog/jetstream only"},
	{"github.com/gorilla/websocket", regexp.MustCompile(`^server/|_test\.go$`), "server only"},
	// So that one file changes when it is replaced by its successor.
	{"nhooyr.io/websocket", regexp.MustCompile(`^wasm/client/conn/websocket(_js|_native)?\.go$`), "wasm/client/conn/websocket*.go only"},
	// So that all other code also runs natively, where it is easier to test.
	{"syscall/js", regexp.MustCompile(`_js(_test)?\.go$`), "files named _js.go only"},
}

// forbiddenImports list packages that the files below a folder may not import.
var forbiddenImports = []struct {
	folder   string
	packages []string
}{
	// Every program that speaks the protocol includes shared, so it must stay small and
	// portable. TestSharedImportsStandardLibraryOnly also checks its indirect imports.
	{"shared", []string{"net/http", "syscall/js"}},
	// They know no connections: those belong to server/chat.
	{"server/auth", []string{"websockets/server/chat", "websockets/server/web", "websockets/server/userdata", "github.com/gorilla/websocket"}},
	{"server/userdata", []string{"net/http", "websockets/server/auth", "websockets/server/chat", "websockets/server/web", "github.com/gorilla/websocket"}},
	// They are data and rules: server/chat locks, waits and sends.
	{"server/presence", []string{"context", "net", "sync", "websockets/server", "github.com/gorilla/websocket"}},
	{"server/quota", []string{"context", "net/http", "websockets/server", "github.com/gorilla/websocket"}},
	// It writes timelines to a net.Conn, and does not know who uses the connection.
	{"server/delivery", []string{
		"net/http", "github.com/gorilla/websocket", "websockets/server/chat", "websockets/server/auth",
		"websockets/server/presence", "websockets/server/quota", "websockets/server/web",
	}},
}

// clientImports list which packages of the module each package of the browser client may
// import. The only third-party package it may import is nhooyr.io/websocket. Tests are
// exempt.
var clientImports = map[string][]string{
	"wasm":                 {"shared", "wasm/client", "wasm/storage", "wasm/view"},
	"wasm/storage":         {"wasm/client"},
	"wasm/view":            {"shared", "wasm/client"},
	"wasm/client":          {"shared", "wasm/client/conn", "wasm/client/outbox", "wasm/client/roomsync"},
	"wasm/client/roomsync": {"shared", "wasm/client/outbox"},
	"wasm/client/outbox":   {"shared"},
	"wasm/client/conn":     {"shared"},
}

// htmlFromString matches calls that parse a string as HTML. They are forbidden because
// the page shows text that strangers wrote.
var htmlFromString = regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|Call\("write(ln)?"`)

// violations returns a line for each violation of a rule, sorted by path.
func violations(t *testing.T, root string) (found []string) {
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
			found = append(found, violationsBelow(t, root, name)...)
		default:
			found = append(found, name+": the only top-level folders are server, shared, static and wasm")
		}
	}
	return found
}

func violationsBelow(t *testing.T, root, folder string) (found []string) {
	t.Helper()
	packages := map[string][]string{} // the Go files of each folder
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
		for _, v := range fileViolations(file, string(text)) {
			found = append(found, file+": "+v)
		}
		if path.Ext(file) == ".go" {
			packages[path.Dir(file)] = append(packages[path.Dir(file)], path.Base(file))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		found = append(found, mapViolations(root, name, packages[name])...)
	}
	return found
}

// fileName matches the names of files, and patterns for them, in the map of a package.
var fileName = regexp.MustCompile(`[\w*-]+\.(go|js|css|html)\b`)

// mapViolations compares the indented lines of a package's doc.go with the files of the
// package: each file that is named must exist, and each file except tests must be named.
func mapViolations(root, folder string, files []string) (found []string) {
	doc, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(folder), "doc.go"))
	if err != nil {
		return []string{folder + ": this package has no doc.go"}
	}
	var named []string
	for line := range strings.Lines(string(doc)) {
		if strings.HasPrefix(line, "//\t") {
			named = append(named, fileName.FindAllString(line, -1)...)
		}
	}
	for _, name := range named {
		if matches, _ := filepath.Glob(filepath.Join(root, filepath.FromSlash(folder), name)); len(matches) == 0 {
			found = append(found, fmt.Sprintf("%s/doc.go: there is no file %s", folder, name))
		}
	}
	for _, file := range files {
		isNamed := func(name string) bool { matches, _ := path.Match(name, file); return matches }
		if file != "doc.go" && !strings.HasSuffix(file, "_test.go") && !slices.ContainsFunc(named, isNamed) {
			found = append(found, fmt.Sprintf("%s/doc.go: %s is missing in the map", folder, file))
		}
	}
	return found
}

// fileViolations returns what is wrong with a file.
func fileViolations(file, text string) (found []string) {
	isTest := strings.HasSuffix(file, "_test.go")
	switch path.Ext(file) {
	case ".js", ".mjs", ".cjs", ".ts", ".jsx", ".tsx":
		if file != "static/load.js" {
			found = append(found, "static/load.js is the only JavaScript file")
		}
	case ".go":
		found = append(found, importViolations(file, text)...)
		if !isTest && strings.Count(text, "js.FuncOf(") > strings.Count(text, ".Release()")+strings.Count(text, "// as long as the page") {
			found = append(found, `a js.Func is never collected unless it is released: call Release, or add the comment "as long as the page"`)
		}
		if path.Dir(file) == "wasm" && !isTest && !strings.HasSuffix(file, "_js.go") && file != "wasm/main_other.go" && file != "wasm/doc.go" {
			found = append(found, "package main is for code that uses the DOM: name the file _js.go, or move it to wasm/view, wasm/storage or wasm/client")
		}
	}
	if call := htmlFromString.FindString(text); call != "" && !isTest {
		found = append(found, call+" parses a string as HTML: use textContent")
	}
	return found
}

func importViolations(file, text string) (found []string) {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, text, parser.ImportsOnly)
	if err != nil {
		return []string{err.Error()}
	}
	for _, spec := range parsed.Imports {
		imported := strings.Trim(spec.Path.Value, `"`)
		for _, rule := range importRules {
			if within(imported, rule.imported) && !rule.where.MatchString(file) {
				found = append(found, fmt.Sprintf("%s may be imported in %s", imported, rule.allowed))
			}
		}
		if within(file, "wasm") && !strings.HasSuffix(file, "_test.go") && !isClientImport(path.Dir(file), imported) {
			found = append(found, fmt.Sprintf("%s may not be imported in %s", imported, path.Dir(file)))
		}
		for _, rule := range forbiddenImports {
			keeps := func(other string) bool { return within(imported, other) }
			if within(file, rule.folder) && slices.ContainsFunc(rule.packages, keeps) {
				found = append(found, fmt.Sprintf("%s may not be imported in %s", imported, rule.folder))
			}
		}
	}
	return found
}

// isClientImport reports whether a package of the browser client may import imported.
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

// within reports whether p is parent or lies below it.
func within(p, parent string) bool { return p == parent || strings.HasPrefix(p, parent+"/") }

// shared builds for every platform and adds little to the wasm file: it imports only the
// standard library, and does not import net/http even indirectly.
func TestSharedImportsStandardLibraryOnly(t *testing.T) {
	for _, platform := range [][]string{{"GOOS=linux", "GOARCH=amd64"}, {"GOOS=js", "GOARCH=wasm"}} {
		list := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}} {{end}}{{join .Imports \" \"}}", "./shared")
		list.Dir, list.Env = root, append(os.Environ(), platform...)
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
				t.Errorf("%s: shared imports %s, want only the standard library without net/http", platform[0], name)
			}
		}
	}
}
