package static

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
)

const (
	wasmPath  = "/static/app.aaaaaaaaaaaaaaaa.wasm"
	execPath  = "/static/wasm_exec.bbbbbbbbbbbbbbbb.js"
	testPage  = `<meta name="version" content="{{version}}">{{root}} {{app.css}} {{wasm_exec.js}} {{load.js}} {{app.wasm}}`
	forever   = "public, max-age=31536000, immutable"
	htmlType  = "text/html; charset=utf-8"
	plainWasm = "the wasm, plain"
)

// fresh returns the files of a clone in which nothing was built.
func fresh() fstest.MapFS {
	return fstest.MapFS{
		"index.html":  {Data: []byte(testPage)},
		"app.css":     {Data: []byte("body { margin: 0 }")},
		"load.js":     {Data: []byte("'use strict'")},
		"dist/README": {Data: []byte("built files go here")},
	}
}

// packed returns its files after ./build.sh.
func packed() fstest.MapFS {
	fsys := fresh()
	wasm, exec := "dist"+strings.TrimPrefix(wasmPath, "/static"), "dist"+strings.TrimPrefix(execPath, "/static")
	for name, text := range map[string]string{
		"dist/manifest.json": `{"app.wasm": "app.aaaaaaaaaaaaaaaa.wasm", "wasm_exec.js": "wasm_exec.bbbbbbbbbbbbbbbb.js"}`,
		wasm:                 plainWasm,
		wasm + ".br":         "the wasm in brotli",
		wasm + ".gz":         "the wasm in gzip",
		exec:                 "js",
		exec + ".br":         "js in brotli",
		exec + ".gz":         "js in gzip",
	} {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

func mustLoad(t *testing.T, fsys fs.FS) *Assets {
	t.Helper()
	a, err := load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// serve starts a server with the same routes as the real one.
func serve(t *testing.T, a *Assets) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", a.ServePage)
	mux.HandleFunc("/r/{room}", a.ServePage)
	mux.HandleFunc("/static/", a.ServeFile)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// request sends a request, without the Accept-Encoding that http.Transport adds, and
// returns the response with its body read.
func request(t *testing.T, method, url string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}

func expectHeader(t *testing.T, answer *http.Response, name, want string) {
	t.Helper()
	if got := answer.Header.Get(name); got != want {
		t.Errorf("%s: got %q, want %q", name, got, want)
	}
}

func TestEncodingIsNegotiated(t *testing.T) {
	s := serve(t, mustLoad(t, packed()))
	const br, gz, plain = "the wasm in brotli", "the wasm in gzip", plainWasm
	tags := make(map[string]string)
	for _, c := range []struct{ accept, coding, body string }{
		{"gzip, deflate, br, zstd", "br", br},
		{"br;q=0.1, gzip;q=1.0", "br", br},
		{"GZIP", "gzip", gz},
		{"gzip;q=1, br;q=0", "gzip", gz},
		{"*", "br", br},
		{"*, br; q=0", "gzip", gz},
		{"*;q=0", "", plain},
		{"gzip;q=0.000, br;q=0", "", plain},
		{"deflate", "", plain},
		{"brotli", "", plain},
		{"identity", "", plain},
		{"", "", plain},
	} {
		t.Run(c.accept, func(t *testing.T) {
			answer, body := request(t, "GET", s.URL+wasmPath, "Accept-Encoding", c.accept)
			if answer.StatusCode != http.StatusOK || body != c.body {
				t.Errorf("got %s: %q, want %q", answer.Status, body, c.body)
			}
			if answer.ContentLength != int64(len(c.body)) {
				t.Errorf("Content-Length: got %d, want %d", answer.ContentLength, len(c.body))
			}
			expectHeader(t, answer, "Content-Encoding", c.coding)
			expectHeader(t, answer, "Content-Type", "application/wasm")
			expectHeader(t, answer, "Cache-Control", forever)
			expectHeader(t, answer, "Vary", "Accept-Encoding")
			tags[c.coding] = answer.Header.Get("ETag")
		})
	}
	if tags["br"] == tags["gzip"] || tags["gzip"] == tags[""] || tags["br"] == tags[""] {
		t.Errorf("ETags of the forms: got %q, want three different ones", tags)
	}
}

func TestPageNamesItsFiles(t *testing.T) {
	a := mustLoad(t, packed())
	s := serve(t, a)
	answer, page := request(t, "GET", s.URL+"/")
	expectHeader(t, answer, "Content-Type", htmlType)
	expectHeader(t, answer, "Cache-Control", "private, no-cache")
	if got, want := strings.Join(answer.Header.Values("Vary"), ", "), "Cookie, Accept-Encoding"; got != want {
		t.Errorf("Vary: got %q, want %q", got, want)
	}
	if !a.Built() {
		t.Error("Built: got false, want true")
	}
	if len(a.Version()) != 16 || !strings.Contains(page, `<meta name="version" content="`+a.Version()+`">`) {
		t.Errorf("page: got %s, want the version %q in it, of 16 characters", page, a.Version())
	}
	for _, path := range []string{"/", "/r/general"} {
		_, page := request(t, "GET", s.URL+path)
		_, addresses, _ := strings.Cut(page, ">")
		expectFiles(t, s.URL+path, strings.Fields(addresses))
	}
}

// expectFiles requests the addresses in a page: the page at the root, and its files.
func expectFiles(t *testing.T, page string, addresses []string) {
	t.Helper()
	types := []string{htmlType, "text/css; charset=utf-8", "text/javascript; charset=utf-8", "text/javascript; charset=utf-8", "application/wasm"}
	if len(addresses) != len(types) {
		t.Fatalf("addresses in %s: got %q, want %d", page, addresses, len(types))
	}
	base, err := url.Parse(page)
	if err != nil {
		t.Fatal(err)
	}
	for i, address := range addresses {
		to, err := base.Parse(address)
		if err != nil || strings.HasPrefix(address, "/") {
			t.Fatalf("%s in %s: got %v, want a relative address", address, page, err)
		}
		answer, _ := request(t, "GET", to.String())
		if answer.StatusCode != http.StatusOK {
			t.Errorf("%s: got %s, want %d", to, answer.Status, http.StatusOK)
		}
		expectHeader(t, answer, "Content-Type", types[i])
		if i == 0 && to.Path != "/" {
			t.Errorf("the root in %s: got %s, want /", page, to)
		}
		if i > 0 {
			expectHeader(t, answer, "Cache-Control", forever)
		}
	}
}

func TestPageIsCompressed(t *testing.T) {
	s := serve(t, mustLoad(t, packed()))
	_, plain := request(t, "GET", s.URL+"/")
	answer, body := request(t, "GET", s.URL+"/", "Accept-Encoding", "gzip, br")
	expectHeader(t, answer, "Content-Encoding", "gzip")
	z, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(z); err != nil || string(got) != plain {
		t.Errorf("the page, decoded: got %q, %v, want %q", got, err, plain)
	}
}

func TestNotModified(t *testing.T) {
	s := serve(t, mustLoad(t, packed()))
	for _, path := range []string{"/", wasmPath} {
		first, _ := request(t, "GET", s.URL+path, "Accept-Encoding", "gzip")
		tag := first.Header.Get("ETag")
		for _, have := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
			answer, body := request(t, "GET", s.URL+path, "Accept-Encoding", "gzip", "If-None-Match", have)
			if answer.StatusCode != http.StatusNotModified || body != "" {
				t.Errorf("%s with If-None-Match %s: got %s and %d bytes, want %d and none", path, have, answer.Status, len(body), http.StatusNotModified)
			}
			expectHeader(t, answer, "ETag", tag)
		}
		for _, stale := range []string{`"other"`, `"` + strings.Trim(tag, `"`) + `x"`, strings.Trim(tag, `"`)} {
			answer, _ := request(t, "GET", s.URL+path, "Accept-Encoding", "gzip", "If-None-Match", stale)
			if answer.StatusCode != http.StatusOK {
				t.Errorf("%s with the stale tag %s: got %s, want %d", path, stale, answer.Status, http.StatusOK)
			}
		}
	}
}

// An interrupted download can be resumed, in the same encoding.
func TestRangeRequests(t *testing.T) {
	s := serve(t, mustLoad(t, packed()))
	for coding, whole := range map[string]string{"": plainWasm, "br": "the wasm in brotli"} {
		first, _ := request(t, "GET", s.URL+wasmPath, "Accept-Encoding", coding)
		tag := first.Header.Get("ETag")
		for _, c := range []struct {
			method, bytes, ifRange string
			status                 int
			body                   string
		}{
			{"GET", "4-7", "", http.StatusPartialContent, whole[4:8]},
			{"GET", "9-", tag, http.StatusPartialContent, whole[9:]},
			{"GET", "9-", `"other"`, http.StatusOK, whole},
			{"HEAD", "9-", "", http.StatusPartialContent, ""},
			{"GET", "1000-", "", http.StatusRequestedRangeNotSatisfiable, "invalid range: failed to overlap\n"},
		} {
			headers := []string{"Accept-Encoding", coding, "Range", "bytes=" + c.bytes}
			if c.ifRange != "" {
				headers = append(headers, "If-Range", c.ifRange)
			}
			answer, body := request(t, c.method, s.URL+wasmPath, headers...)
			if answer.StatusCode != c.status || body != c.body {
				t.Errorf("%s of bytes %s as %q, if it is %q: got %s %q, want %d %q", c.method, c.bytes, coding, c.ifRange, answer.Status, body, c.status, c.body)
			}
			if c.status == http.StatusPartialContent {
				expectHeader(t, answer, "Content-Encoding", coding)
				expectHeader(t, answer, "ETag", tag)
			}
		}
	}
}

// ServeContent would answer If-Match with an empty 412. That would contradict the
// Content-Length that serve has set.
func TestIfMatchIsIgnored(t *testing.T) {
	s := serve(t, mustLoad(t, packed()))
	answer, body := request(t, "GET", s.URL+wasmPath, "Accept-Encoding", "br", "If-Match", `"other"`)
	if answer.StatusCode != http.StatusOK || body != "the wasm in brotli" {
		t.Errorf("got %s %q, want %d and the body", answer.Status, body, http.StatusOK)
	}
}

func TestHead(t *testing.T) {
	s := serve(t, mustLoad(t, packed()))
	for _, path := range []string{"/", wasmPath} {
		get, body := request(t, "GET", s.URL+path)
		head, none := request(t, "HEAD", s.URL+path)
		if head.StatusCode != http.StatusOK || none != "" || head.ContentLength != int64(len(body)) {
			t.Errorf("HEAD %s: got %s, length %d and %d bytes, want %d, length %d and none", path, head.Status, head.ContentLength, len(none), http.StatusOK, len(body))
		}
		expectHeader(t, head, "ETag", get.Header.Get("ETag"))
	}
	if answer, _ := request(t, "POST", s.URL+"/"); answer.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: got %s, want %d", answer.Status, http.StatusMethodNotAllowed)
	}
}

func TestUnknownFilesAreNotFound(t *testing.T) {
	s := serve(t, mustLoad(t, packed()))
	for _, path := range []string{
		"/static/", "/static/app.wasm", "/static/app.0000000000000000.wasm", wasmPath + ".br", wasmPath + "/",
		"/static/manifest.json", "/static/README", "/static/static.go", "/static/%2e%2e/index.html", "/static/..%2findex.html",
	} {
		answer, _ := request(t, "GET", s.URL+path)
		if answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s: got %s, want %d", path, answer.Status, http.StatusNotFound)
		}
		expectHeader(t, answer, "Cache-Control", "no-store")
	}
}

func TestPageWithoutClient(t *testing.T) {
	a := mustLoad(t, fresh())
	if a.Built() {
		t.Error("Built: got true, want false")
	}
	if a.Version() == "" {
		t.Error("Version: got none, want one")
	}
	s := serve(t, a)
	answer, page := request(t, "GET", s.URL+"/")
	if answer.StatusCode != http.StatusOK {
		t.Errorf("page: got %s, want %d", answer.Status, http.StatusOK)
	}
	expectHeader(t, answer, "Content-Type", htmlType)
	expectHeader(t, answer, "Cache-Control", "private, no-cache")
	for _, words := range []string{"has not been built", "./build.sh"} {
		if !strings.Contains(page, words) {
			t.Errorf("page: got %s, want %q in it", page, words)
		}
	}
}

func TestVersionDependsOnEveryFile(t *testing.T) {
	seen := map[string]string{mustLoad(t, packed()).Version(): "nothing"}
	for name, change := range map[string]func(fstest.MapFS){
		"index.html":   func(f fstest.MapFS) { f["index.html"].Data = append(f["index.html"].Data, '\n') },
		"app.css":      func(f fstest.MapFS) { f["app.css"].Data = []byte("body {}") },
		"load.js":      func(f fstest.MapFS) { f["load.js"].Data = []byte("//") },
		"app.wasm":     func(f fstest.MapFS) { rename(f, "app.aaaaaaaaaaaaaaaa.wasm", "app.cccccccccccccccc.wasm") },
		"wasm_exec.js": func(f fstest.MapFS) { rename(f, "wasm_exec.bbbbbbbbbbbbbbbb.js", "wasm_exec.cccccccccccccccc.js") },
	} {
		fsys := packed()
		change(fsys)
		version := mustLoad(t, fsys).Version()
		if other, ok := seen[version]; ok {
			t.Errorf("versions after changing %s and after changing %s: got the same, want two", name, other)
		}
		seen[version] = name
	}
}

// rename changes the hashed name of a packed file, as if its content were different.
func rename(f fstest.MapFS, from, to string) {
	f["dist/manifest.json"].Data = bytes.ReplaceAll(f["dist/manifest.json"].Data, []byte(from), []byte(to))
	for _, suffix := range []string{"", ".br", ".gz"} {
		f["dist/"+to+suffix] = f["dist/"+from+suffix]
		delete(f, "dist/"+from+suffix)
	}
}

func TestLoadRefusesDamagedFiles(t *testing.T) {
	for name, damage := range map[string]func(fstest.MapFS){
		"a placeholder nobody fills": func(f fstest.MapFS) { f["index.html"].Data = []byte("{{app.png}}") },
		"a manifest that is no JSON": func(f fstest.MapFS) { f["dist/manifest.json"].Data = []byte("{") },
		"a packed file is missing":   func(f fstest.MapFS) { delete(f, "dist/app.aaaaaaaaaaaaaaaa.wasm.br") },
		"no style sheet":             func(f fstest.MapFS) { delete(f, "app.css") },
		"no page":                    func(f fstest.MapFS) { delete(f, "index.html") },
	} {
		fsys := packed()
		damage(fsys)
		if _, err := load(fsys); err == nil {
			t.Errorf("%s: got no error, want one", name)
		}
	}
}

// index.html has what load.js and this package need, whether or not the client was built.
func TestIndexHTML(t *testing.T) {
	if _, err := Load(); err != nil {
		t.Fatal(err)
	}
	page, err := fs.ReadFile(embedded, "index.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`<meta name="version" content="{{version}}">`,
		`<meta name="root" content="{{root}}">`,
		`<link rel="stylesheet" href="{{app.css}}">`,
		`<link rel="preload" href="{{app.wasm}}" as="fetch" crossorigin>`,
		`<script src="{{wasm_exec.js}}" defer></script>`,
		`<script src="{{load.js}}" data-wasm="{{app.wasm}}" defer></script>`,
		`<p id="boot-error" role="alert" hidden></p>`,
	} {
		if !bytes.Contains(page, []byte(part)) {
			t.Errorf("index.html: want %s in it", part)
		}
	}
	// Every placeholder of the real page is filled.
	fsys := packed()
	fsys["index.html"].Data = page
	_, filled := request(t, "GET", serve(t, mustLoad(t, fsys)).URL+"/")
	if strings.Contains(filled, "{{") {
		t.Errorf("page: got %s, want no placeholder in it", filled)
	}
}
