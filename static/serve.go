package static

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// ServePage answers / and /r/<room> with the page, which handles links to rooms itself.
// Its addresses are relative, so that a proxy in front may serve all of it under a path.
// Browsers revalidate it each time. It is private because the response may set a session
// cookie, which no proxy may store; Vary says the same to proxies that disregard it. It is
// not no-store: a browser keeps the page for Back while the network is away.
func (a *Assets) ServePage(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Cookie")
	page := a.page
	if r.URL.Path != "/" {
		page = a.room
	}
	page.serve(w, r, "private, no-cache")
}

// ServeFile answers /static/<hashed name> with a file that browsers may keep for a year
// without asking again. The name of another build is not found, and that answer is not
// cached.
func (a *Assets) ServeFile(w http.ResponseWriter, r *http.Request) {
	file, ok := a.files[r.URL.Path]
	if !ok {
		w.Header().Set("Cache-Control", "no-store")
		http.NotFound(w, r)
		return
	}
	file.serve(w, r, "public, max-age=31536000, immutable")
}

// asset is a file to serve, in each of its encodings. The plain form is always there, and
// last.
type asset struct {
	contentType string
	hash        string
	forms       []form
}

// form is a body in one encoding. Embedded files are read in place: they are part of the
// binary, so the megabytes of the wasm take no heap.
type form struct {
	coding string // of Content-Encoding; "" is the plain one
	body   io.ReaderAt
	size   int64
}

var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".wasm": "application/wasm",
}

// newAsset returns an asset for a small file, and compresses it.
func newAsset(name string, body []byte) *asset {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write(body) // a bytes.Buffer refuses nothing
	z.Close()
	return &asset{contentTypes[path.Ext(name)], shortHash(body), []form{
		{"gzip", bytes.NewReader(zipped.Bytes()), int64(zipped.Len())},
		{"", bytes.NewReader(body), int64(len(body))},
	}}
}

// packedAsset returns the asset of a file that static/pack has written to dist.
func packedAsset(fsys fs.FS, name, hashed string) (*asset, error) {
	// The hashed name identifies the content, so it serves as the hash.
	a := &asset{contentType: contentTypes[path.Ext(name)], hash: hashed}
	for _, f := range []struct{ coding, ext string }{{"br", ".br"}, {"gzip", ".gz"}, {"", ""}} {
		file, err := fsys.Open("dist/" + hashed + f.ext)
		if err != nil {
			return nil, err
		}
		info, err := file.Stat()
		if err != nil {
			return nil, err
		}
		a.forms = append(a.forms, form{f.coding, file.(io.ReaderAt), info.Size()})
	}
	return a, nil
}

func (a *asset) serve(w http.ResponseWriter, r *http.Request, cacheControl string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	chosen := a.choose(r.Header.Get("Accept-Encoding"))
	h := w.Header()
	h.Set("Cache-Control", cacheControl)
	h.Set("ETag", strconv.Quote(a.hash+"-"+chosen.coding)) // forms differ in their bytes
	h.Add("Vary", "Accept-Encoding")
	h.Set("Content-Type", a.contentType)
	if chosen.coding != "" {
		h.Set("Content-Encoding", chosen.coding)
		// ServeContent leaves the length of encoded content to its caller, but would
		// send it with an empty 412 too.
		h.Set("Content-Length", strconv.FormatInt(chosen.size, 10))
		r.Header.Del("If-Match")
	}
	http.ServeContent(w, r, "", time.Time{}, io.NewSectionReader(chosen.body, 0, chosen.size))
}

// choose returns the smallest form that the client accepts.
func (a *asset) choose(acceptEncoding string) form {
	last := len(a.forms) - 1
	for _, f := range a.forms[:last] {
		if accepts(acceptEncoding, f.coding) {
			return f
		}
	}
	return a.forms[last]
}

// accepts reports whether an Accept-Encoding header allows a coding, by name or by *,
// with a weight above 0. Other differences in weight do not matter, because the forms
// differ only in size.
func accepts(header, coding string) bool {
	accepted := false
	for item := range strings.SplitSeq(header, ",") {
		name, weight, _ := strings.Cut(item, ";")
		name = strings.TrimSpace(name)
		_, value, _ := strings.Cut(weight, "=")
		q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		allowed := err != nil || q > 0
		if strings.EqualFold(name, coding) {
			return allowed
		}
		if name == "*" {
			accepted = allowed
		}
	}
	return accepted
}
