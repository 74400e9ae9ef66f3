package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
)

func TestPackWritesEveryForm(t *testing.T) {
	dist := filepath.Join(t.TempDir(), "dist")
	content := bytes.Repeat([]byte("the same again, "), 1000)
	if err := pack(dist, map[string][]byte{"app.wasm": content}, false); err != nil {
		t.Fatal(err)
	}

	var names map[string]string
	if err := json.Unmarshal(read(t, dist, "manifest.json"), &names); err != nil {
		t.Fatal(err)
	}
	name := names["app.wasm"]
	if want := "app.1089e820e42e05de.wasm"; name != want {
		t.Fatalf("hashed name: got %q, want %q", name, want)
	}
	if !bytes.Equal(read(t, dist, name), content) {
		t.Error("the plain form: want the bytes that were packed")
	}
	br := read(t, dist, name+".br")
	if got, err := io.ReadAll(brotli.NewReader(bytes.NewReader(br))); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the brotli form, decoded: got %d bytes, %v, want the %d that were packed", len(got), err, len(content))
	}
	gz := read(t, dist, name+".gz")
	z, err := gzip.NewReader(bytes.NewReader(gz))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(z); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the gzip form, decoded: got %d bytes, %v, want the %d that were packed", len(got), err, len(content))
	}
	if len(br) >= len(content) || len(gz) >= len(content) {
		t.Errorf("compressed bytes: got %d with brotli and %d with gzip, want less than %d", len(br), len(gz), len(content))
	}
}

// A quick pack uses the files that exist. A pack that is not quick replaces those that
// were compressed quickly.
func TestPackReplacesQuickForms(t *testing.T) {
	dist := t.TempDir()
	content := []byte{}
	for i := range 3000 {
		content = strconv.AppendInt(content, int64(i*i), 10)
	}
	size := func(quickly bool) int {
		t.Helper()
		if err := pack(dist, map[string][]byte{"app.wasm": content}, quickly); err != nil {
			t.Fatal(err)
		}
		return len(read(t, dist, hashedName("app.wasm", content)+".br"))
	}
	quickly, good, quicklyAgain := size(true), size(false), size(true)
	if good >= quickly || quicklyAgain != good {
		t.Errorf("bytes: got %d quickly, %d well, and %d quickly after that; want the second smaller than the first, and equal to the third", quickly, good, quicklyAgain)
	}
	if exists(filepath.Join(dist, quickMark)) {
		t.Error("got the mark of a quick pack after a good one, want none")
	}
}

func TestPackSkipsUnchangedFiles(t *testing.T) {
	dist := t.TempDir()
	files := map[string][]byte{"app.wasm": []byte("wasm"), "wasm_exec.js": []byte("js")}
	if err := pack(dist, files, false); err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-time.Hour).Truncate(time.Second)
	packed := list(t, dist)
	for _, name := range packed {
		if err := os.Chtimes(filepath.Join(dist, name), past, past); err != nil {
			t.Fatal(err)
		}
	}
	if err := pack(dist, files, false); err != nil {
		t.Fatal(err)
	}
	if again := list(t, dist); !slices.Equal(again, packed) {
		t.Fatalf("files in dist: got %v, want %v", again, packed)
	}
	for _, name := range packed {
		info, err := os.Stat(filepath.Join(dist, name))
		if err != nil {
			t.Fatal(err)
		}
		if name != "manifest.json" && !info.ModTime().Equal(past) {
			t.Errorf("%s: got it made again, want it left alone", name)
		}
	}
}

func TestPackRestoresMissingForms(t *testing.T) {
	dist := t.TempDir()
	files := map[string][]byte{"app.wasm": []byte("wasm")}
	if err := pack(dist, files, false); err != nil {
		t.Fatal(err)
	}
	br := hashedName("app.wasm", files["app.wasm"]) + ".br"
	if err := os.Remove(filepath.Join(dist, br)); err != nil {
		t.Fatal(err)
	}
	if err := pack(dist, files, false); err != nil {
		t.Fatal(err)
	}
	read(t, dist, br)
}

func TestPackRemovesOldBuilds(t *testing.T) {
	dist := t.TempDir()
	if err := os.WriteFile(filepath.Join(dist, "README"), []byte("stays"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{"old", "new"} {
		if err := pack(dist, map[string][]byte{"app.wasm": []byte(content)}, false); err != nil {
			t.Fatal(err)
		}
	}
	name := hashedName("app.wasm", []byte("new"))
	want := []string{"README", name, name + ".br", name + ".gz", "manifest.json"}
	if got := list(t, dist); !slices.Equal(got, want) {
		t.Errorf("files in dist: got %v, want %v", got, want)
	}
}

func read(t *testing.T, dist, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dist, name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func list(t *testing.T, dist string) []string {
	t.Helper()
	names, err := fs.Glob(os.DirFS(dist), "*")
	if err != nil {
		t.Fatal(err)
	}
	return names
}
