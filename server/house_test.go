package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A houseRule looks at the tree of the project at root and returns one line for
// each place that breaks it.
type houseRule func(root string) ([]string, error)

// TestHouseRules holds the project to its architecture: who may import what,
// and what is not there.
func TestHouseRules(t *testing.T) {
	for _, rule := range []struct {
		name  string
		check houseRule
	}{
		{"shared imports the standard library only, and neither net/http nor syscall/js", sharedStandsAlone},
		{"syscall/js only in files named _js.go", syscallJSInJSFiles},
		{"NATS only in server/roomlog", natsInRoomlog},
		{"nhooyr.io/websocket in one file", nhooyrInOneFile},
		{"gorilla/websocket only under server", gorillaUnderServer},
		{"top-level folders", topLevelFolders},
		{"no HTML from strings", noHTMLFromStrings},
		{"no JavaScript but the loader", onlyTheLoader},
		{"js.FuncOf in named places only", funcOfInNamedPlaces},
		{"the page's program is a thin layer", thinPage},
	} {
		t.Run(rule.name, func(t *testing.T) {
			broken, err := rule.check("..")
			if err != nil {
				t.Fatal(err)
			}
			for _, place := range broken {
				t.Error(place)
			}
		})
	}
}

// sharedStandsAlone: the wire contract must build wherever Go builds and add
// little to the wasm, so what it imports imports no net/http either. (Under js
// the standard library itself rests on syscall/js; shared may not.)
func sharedStandsAlone(root string) (broken []string, err error) {
	err = eachImport(root, func(file, imported string) {
		switch {
		case !strings.HasPrefix(file, "shared/"):
		case within(imported, "net/http"), imported == "syscall/js":
			broken = append(broken, fmt.Sprintf("%s imports %s", file, imported))
		case strings.Contains(firstElement(imported), "."), // another module
			firstElement(imported) == "websockets" && imported != "websockets/shared":
			broken = append(broken, fmt.Sprintf("%s imports %s, which is not of the standard library", file, imported))
		}
	})
	if err != nil {
		return nil, err
	}
	for _, platform := range [][]string{{"GOOS=linux", "GOARCH=amd64"}, {"GOOS=js", "GOARCH=wasm"}} {
		// -e: what cannot be loaded is told in its package, and broken by its import.
		list := exec.Command("go", "list", "-e", "-deps", "-json=ImportPath,Standard,Imports", "./shared")
		list.Dir, list.Env = root, append(os.Environ(), platform...)
		output, err := list.Output()
		if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		seen := 0
		for packages := json.NewDecoder(bytes.NewReader(output)); ; seen++ {
			var p struct {
				ImportPath string
				Standard   bool
				Imports    []string
			}
			if err := packages.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, err
			}
			for _, imported := range p.Imports {
				if within(imported, "net/http") {
					broken = append(broken, fmt.Sprintf("shared brings in %s, which imports %s (%s)", p.ImportPath, imported, platform[0]))
				}
			}
			if !p.Standard && p.ImportPath != "websockets/shared" {
				broken = append(broken, fmt.Sprintf("shared brings in %s, which is not of the standard library (%s)", p.ImportPath, platform[0]))
			}
		}
		if seen < 2 {
			return nil, fmt.Errorf("go list found %d packages", seen)
		}
	}
	return broken, nil
}

// syscallJSInJSFiles: what is in no such file runs natively too, and is tested
// there.
func syscallJSInJSFiles(root string) (broken []string, err error) {
	err = eachImport(root, func(file, imported string) {
		if imported == "syscall/js" && !strings.HasSuffix(file, "_js.go") && !strings.HasSuffix(file, "_js_test.go") {
			broken = append(broken, fmt.Sprintf("%s imports syscall/js", file))
		}
	})
	return broken, err
}

// natsInRoomlog: the log can be another one, or another server's, and nobody
// else notices. Tests are held to it too.
func natsInRoomlog(root string) (broken []string, err error) {
	err = eachImport(root, func(file, imported string) {
		nats := within(imported, "github.com/nats-io") || within(imported, "github.com/synadia-io")
		if nats && !strings.HasPrefix(file, "server/roomlog/") {
			broken = append(broken, fmt.Sprintf("%s imports %s", file, imported))
		}
	})
	return broken, err
}

// nhooyrInOneFile: the day it has to be replaced by its successor, one file
// changes.
func nhooyrInOneFile(root string) ([]string, error) {
	var files []string
	err := eachImport(root, func(file, imported string) {
		if within(imported, "nhooyr.io/websocket") && !slices.Contains(files, file) {
			files = append(files, file)
		}
	})
	switch {
	case err != nil:
		return nil, err
	case len(files) == 1 && strings.HasPrefix(files[0], "wasm/"):
		return nil, nil
	}
	return []string{fmt.Sprintf("nhooyr.io/websocket is imported in %d files: %q, want one of wasm", len(files), files)}, nil
}

func gorillaUnderServer(root string) (broken []string, err error) {
	err = eachImport(root, func(file, imported string) {
		if within(imported, "github.com/gorilla/websocket") && !strings.HasPrefix(file, "server/") && !strings.HasSuffix(file, "_test.go") {
			broken = append(broken, fmt.Sprintf("%s imports %s", file, imported))
		}
	})
	return broken, err
}

// topLevelFolders: what git ignores does not count.
func topLevelFolders(root string) (broken []string, err error) {
	ignored, err := ignoredFolders(root)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if !entry.IsDir() || slices.Contains(ignored, entry.Name()) {
			continue
		}
		if !slices.Contains([]string{"server", "wasm", "shared", "static", ".ci", ".git"}, entry.Name()) {
			broken = append(broken, entry.Name()+"/ has no place at the top")
		}
	}
	return broken, nil
}

// htmlFromString finds what makes HTML of a string, in Go, HTML and JavaScript.
// The page's text comes from strangers.
var htmlFromString = regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|Call\("write(ln)?"`)

func noHTMLFromStrings(root string) (broken []string, err error) {
	err = eachFile(root, func(file string, source []byte) error {
		kind := path.Ext(file)
		if kind != ".go" && kind != ".html" && kind != ".js" || path.Base(file) == "wasm_exec.js" || file == "server/house_test.go" {
			return nil
		}
		for i, line := range strings.Split(string(source), "\n") {
			if found := htmlFromString.FindString(line); found != "" {
				broken = append(broken, fmt.Sprintf("%s:%d has %s: use textContent", file, i+1, found))
			}
		}
		return nil
	})
	return broken, err
}

// onlyTheLoader: the page is Go. wasm_exec.js is Go's own.
func onlyTheLoader(root string) (broken []string, err error) {
	err = eachFile(root, func(file string, _ []byte) error {
		switch path.Ext(file) {
		case ".js", ".mjs", ".cjs", ".ts", ".jsx", ".tsx":
			if file != "static/load.js" && path.Base(file) != "wasm_exec.js" {
				broken = append(broken, file+" is a script: static/load.js is the only one of ours")
			}
		}
		return nil
	})
	return broken, err
}

// funcOfPlaces are the files that may make a js.Func, and what becomes of it: one
// that nobody releases is never collected, nor is what it holds.
var funcOfPlaces = map[string]string{
	"wasm/dom_js.go":     "listen and onResize: as long as the page; whoever wants to hear of something uses them",
	"wasm/page_js.go":    "the one of requestAnimationFrame: as long as the page",
	"wasm/bell_js.go":    "a notification's click: as long as the page; the answer to the question for permission: releases itself",
	"wasm/console_js.go": "sendEvent: as long as the page; a promise's executor: released with its outcome",
	"wasm/outbox_js.go":  "answers of the browser's locks: released when they are there",
	"wasm/forget_js.go":  "wait: released with the promise's outcome",
}

func funcOfInNamedPlaces(root string) (broken []string, err error) {
	err = eachFile(root, func(file string, source []byte) error {
		if path.Ext(file) != ".go" || file == "server/house_test.go" || strings.HasSuffix(file, "_test.go") || funcOfPlaces[file] != "" {
			return nil
		}
		for i, line := range strings.Split(string(source), "\n") {
			if strings.Contains(line, "js.FuncOf(") {
				broken = append(broken, fmt.Sprintf("%s:%d makes a js.Func: use listen, or say in funcOfPlaces who releases it", file, i+1))
			}
		}
		return nil
	})
	return broken, err
}

// thinPage: what is decided is in packages that run natively; package main of the
// wasm touches the DOM and nothing else.
func thinPage(root string) (broken []string, err error) {
	err = eachFile(root, func(file string, _ []byte) error {
		if path.Dir(file) != "wasm" || path.Ext(file) != ".go" || file == "wasm/main_other.go" ||
			strings.HasSuffix(file, "_test.go") || strings.HasSuffix(file, "_js.go") {
			return nil
		}
		broken = append(broken, file+" is neither _js.go nor a test: what is decided belongs in wasm/view or wasm/client")
		return nil
	})
	return broken, err
}

// eachImport calls do for every import of every Go file, for whatever platform.
func eachImport(root string, do func(file, imported string)) error {
	return eachFile(root, func(file string, source []byte) error {
		if path.Ext(file) != ".go" {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, source, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			do(file, imported)
		}
		return nil
	})
}

// eachFile calls do for every file that git does not ignore, with its path from
// root. No file at all is an error: a rule that looks at nothing holds always.
func eachFile(root string, do func(file string, source []byte) error) error {
	ignored, err := ignoredFolders(root)
	if err != nil {
		return err
	}
	files := 0
	err = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		file, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		file = filepath.ToSlash(file)
		switch {
		case entry.IsDir() && (file == ".git" || slices.Contains(ignored, file)):
			return fs.SkipDir
		case !entry.Type().IsRegular():
			return nil
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		files++
		return do(file, source)
	})
	if err == nil && files == 0 {
		err = fmt.Errorf("no files in %s", root)
	}
	return err
}

// ignoredFolders returns the folders that .gitignore names from the root on, as
// in /bin/ and /static/dist/*.
func ignoredFolders(root string) (folders []string, err error) {
	lines, err := os.ReadFile(filepath.Join(root, ".gitignore"))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(lines)) {
		line = strings.TrimSpace(line)
		folder, isFolder := strings.CutSuffix(strings.TrimSuffix(line, "*"), "/")
		if folder, ok := strings.CutPrefix(folder, "/"); ok && isFolder {
			folders = append(folders, folder)
		}
	}
	return folders, nil
}

// within reports whether an import path is that package or below it.
func within(imported, parent string) bool {
	return imported == parent || strings.HasPrefix(imported, parent+"/")
}

func firstElement(imported string) string {
	first, _, _ := strings.Cut(imported, "/")
	return first
}

// TestHouseRulesCanBeBroken breaks each rule in a small tree of its own, which
// keeps all of them but for one file.
func TestHouseRulesCanBeBroken(t *testing.T) {
	good := map[string]string{
		".gitignore":             "# built\n/bin/\n/.test/\n/static/dist/*\n!/static/dist/README\n",
		"go.mod":                 "module websockets\n\ngo 1.26\n",
		"bin/x.go":               `package x; import _ "github.com/nats-io/nats.go" // innerHTML`,
		".test/x.html":           `innerHTML`,
		"static/dist/x.js":       `innerHTML`,
		".ci/run":                "",
		".git/x.go":              "no Go at all",
		"server/main.go":         `package main; import _ "github.com/gorilla/websocket"; import _ "net/http"`,
		"server/roomlog/log.go":  `package roomlog; import _ "github.com/nats-io/nats.go/jetstream"`,
		"server/house_test.go":   `package main // innerHTML`,
		"shared/event.go":        `package shared; import _ "encoding/json"`,
		"shared/event_test.go":   `package shared_test; import _ "testing"; import _ "websockets/shared"`,
		"static/wasm_exec.js":    `document.write`,
		"static/load.js":         `element.textContent = text`,
		"wasm/page_js.go":        `package main; import _ "syscall/js"`,
		"wasm/page_js_test.go":   `package main; import _ "syscall/js"`,
		"wasm/client/dial.go":    `package client; import _ "nhooyr.io/websocket"`,
		"wasm/client/native.go":  `package client; import _ "net/http"`,
		"wasm/client/other_x.go": `package client; import _ "nhooyr.io/websocketry"`,
	}
	const clean = ""
	for _, c := range []struct {
		rule       string
		check      houseRule
		file, text string // written over the good tree
		names      string // in the one line that tells of it
	}{
		{"shared", sharedStandsAlone, "README.md", "", clean},
		{"shared", sharedStandsAlone, "shared/x.go", `package shared; import _ "net/http"`, "shared/x.go imports net/http"},
		{"shared", sharedStandsAlone, "shared/x.go", `package shared; import _ "net/http/httptrace"`, "shared/x.go imports net/http/httptrace"},
		{"shared", sharedStandsAlone, "shared/x_js.go", `package shared; import _ "syscall/js"`, "shared/x_js.go imports syscall/js"},
		{"shared", sharedStandsAlone, "shared/x_test.go", `package shared; import _ "net/http/httptest"`, "shared/x_test.go imports net/http/httptest"},
		{"shared", sharedStandsAlone, "shared/x_windows.go", `package shared; import _ "github.com/gorilla/websocket"`, "shared/x_windows.go imports github.com/gorilla/websocket, which is not"},
		{"shared", sharedStandsAlone, "shared/x.go", `package shared; import _ "websockets/server/roomlog"`, "shared/x.go imports websockets/server/roomlog, which is not"},
		{"shared", sharedStandsAlone, "shared/x.go", `package shared; import _ "expvar"`, "shared brings in expvar, which imports net/http (GOOS=linux)"},
		{"shared", sharedStandsAlone, "shared/x_js.go", `package shared; import _ "net/rpc"`, "shared brings in net/rpc, which imports net/http (GOOS=js)"},

		{"syscall/js", syscallJSInJSFiles, "README.md", "", clean},
		{"syscall/js", syscallJSInJSFiles, "wasm/page.go", `package main; import _ "syscall/js"`, "wasm/page.go imports syscall/js"},
		{"syscall/js", syscallJSInJSFiles, "wasm/client/js.go", "//go:build js\n\npackage client; import js2 \"syscall/js\"", "wasm/client/js.go imports"},
		{"syscall/js", syscallJSInJSFiles, "wasm/client/x_test.go", "package client; import \"syscall/js\"", "wasm/client/x_test.go imports"},

		{"NATS", natsInRoomlog, "README.md", "", clean},
		{"NATS", natsInRoomlog, "server/main.go", `package main; import "github.com/nats-io/nats.go"`, "server/main.go imports github.com/nats-io/nats.go"},
		{"NATS", natsInRoomlog, "server/chat/room_test.go", `package chat; import "github.com/nats-io/nats-server/v2/server"`, "server/chat/room_test.go imports"},
		{"NATS", natsInRoomlog, "server/roomlogs/log.go", `package roomlogs; import "github.com/synadia-io/orbit.go/jetstreamext"`, "server/roomlogs/log.go imports"},

		{"nhooyr", nhooyrInOneFile, "README.md", "", clean},
		{"nhooyr", nhooyrInOneFile, "wasm/client/x_test.go", `package client; import "nhooyr.io/websocket/wsjson"`, `in 2 files: ["wasm/client/dial.go" "wasm/client/x_test.go"]`},
		{"nhooyr", nhooyrInOneFile, "wasm/client/dial.go", `package client`, `in 0 files`},

		{"gorilla", gorillaUnderServer, "README.md", "", clean},
		{"gorilla", gorillaUnderServer, "wasm/client/x.go", `package client; import "github.com/gorilla/websocket"`, "wasm/client/x.go imports"},

		{"folders", topLevelFolders, "README.md", "", clean},
		{"folders", topLevelFolders, "internal/x.go", `package internal`, "internal/ has"},
		{"folders", topLevelFolders, ".github/workflows/ci.yml", ``, ".github/ has"},

		{"HTML", noHTMLFromStrings, "README.md", "innerHTML is not used", clean},
		{"HTML", noHTMLFromStrings, "wasm/page_js.go", "package main\nfunc f() { e.Set(\"innerHTML\", text) }", "wasm/page_js.go:2 has innerHTML"},
		{"HTML", noHTMLFromStrings, "wasm/page_js.go", "package main\nfunc f() { document.Call(\"write\", text) }", `wasm/page_js.go:2 has Call("write"`},
		{"HTML", noHTMLFromStrings, "static/index.html", "<p>\n<script>document.write('x')</script>", "static/index.html:2 has document.write"},
		{"HTML", noHTMLFromStrings, "static/load.js", "at.insertAdjacentHTML('beforeend', text)", "static/load.js:1 has insertAdjacentHTML"},
		{"HTML", noHTMLFromStrings, "static/pack/house_test.go", "package main // outerHTML", "static/pack/house_test.go:1 has outerHTML"},

		{"JavaScript", onlyTheLoader, "README.md", "", clean},
		{"JavaScript", onlyTheLoader, "static/more.mjs", "", "static/more.mjs is a script"},
		{"JavaScript", onlyTheLoader, "wasm/load.js", "", "wasm/load.js is a script"},

		{"FuncOf", funcOfInNamedPlaces, "wasm/dom_js.go", "package main\nvar f = js.FuncOf(g)", clean},
		{"FuncOf", funcOfInNamedPlaces, "wasm/page_js_test.go", "package main\nvar f = js.FuncOf(g)", clean},
		{"FuncOf", funcOfInNamedPlaces, "wasm/rooms_js.go", "package main\nvar f = js.FuncOf(g)", "wasm/rooms_js.go:2 makes a js.Func"},
		{"FuncOf", funcOfInNamedPlaces, "wasm/client/dial_js.go", "package client\nvar f = js.FuncOf(g)", "wasm/client/dial_js.go:2 makes a js.Func"},

		{"thin", thinPage, "wasm/view/view.go", "package view", clean},
		{"thin", thinPage, "wasm/main_other.go", "package main", clean},
		{"thin", thinPage, "wasm/browser_test.go", "package main", clean},
		{"thin", thinPage, "wasm/words.go", "package main", "wasm/words.go is neither"},
	} {
		t.Run(c.rule+" "+c.file, func(t *testing.T) {
			root := t.TempDir()
			tree := map[string]string{}
			for file, text := range good {
				tree[file] = text
			}
			tree[c.file] = c.text
			for file, text := range tree {
				name := filepath.Join(root, filepath.FromSlash(file))
				if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			broken, err := c.check(root)
			if err != nil {
				t.Fatal(err)
			}
			told := strings.Join(broken, "\n")
			if c.names == clean && len(broken) > 0 || !strings.Contains(told, c.names) {
				t.Errorf("got %q, want %q", told, c.names)
			}
		})
	}

	if _, err := topLevelFolders(t.TempDir()); err == nil {
		t.Error("a tree without .gitignore is no project, but no error")
	}
}
