package static

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

//go:embed index.html app.css load.js dist
var embedded embed.FS

// folder is where the hashed names are served, below the root of the server.
const folder = "static/"

// Assets are the page and the files that it loads. They do not change after Load: all
// methods may be called from any goroutine.
type Assets struct {
	version string
	built   bool
	page    *asset            // at the root
	room    *asset            // the page one level below, as at /r/den
	files   map[string]*asset // by request path; what is not here does not exist
}

// Load prepares the embedded files. It returns an error if the build was wrong. A missing
// browser client is not an error: see Built.
func Load() (*Assets, error) { return load(embedded) }

// Version is a short hash of the page and all its files. The page contains it as <meta
// name="version">, so that it can notice a newer version on the server.
func (a *Assets) Version() string { return a.version }

// Built reports whether the browser client is embedded.
func (a *Assets) Built() bool { return a.built }

// unbuiltPage is served instead of index.html, which shows nothing without the client.
// Its text is HTML, so that curl shows it too.
const unbuiltPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="color-scheme" content="light dark">
<title>Not built yet</title>
<h1>The browser client has not been built</h1>
<p>The server runs, but its page is a WebAssembly program that is not in this binary.
<code>./build.sh</code> builds it, and <code>./build.sh run</code> builds and serves.</p>
</html>
`

func load(fsys fs.FS) (*Assets, error) {
	page, err := fs.ReadFile(fsys, "index.html")
	if err != nil {
		return nil, err
	}
	a := &Assets{files: make(map[string]*asset)}
	names := make(map[string]string) // hashed, by what the page calls them

	// These files are small and are compressed here, so a change to them takes effect
	// without running static/pack.
	for _, name := range []string{"app.css", "load.js"} {
		body, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		ext := path.Ext(name)
		names[name] = strings.TrimSuffix(name, ext) + "." + shortHash(body) + ext
		a.files["/"+folder+names[name]] = newAsset(name, body)
	}

	// The built client was compressed by static/pack.
	packed, err := readManifest(fsys)
	if err != nil {
		return nil, err
	}
	for name, hashed := range packed {
		names[name] = hashed
		if a.files["/"+folder+hashed], err = packedAsset(fsys, name, hashed); err != nil {
			return nil, err
		}
	}

	all := []string{shortHash(page), names["app.css"], names["load.js"], names["wasm_exec.js"], names["app.wasm"]}
	a.version = shortHash([]byte(strings.Join(all, "\n")))
	a.built = names["app.wasm"] != "" && names["wasm_exec.js"] != ""
	if !a.built {
		a.page = newAsset("index.html", []byte(unbuiltPage))
		a.room = a.page
		return a, nil
	}
	for root, filled := range map[string]**asset{"./": &a.page, "../": &a.room} {
		text, err := fill(page, a.version, root, names)
		if err != nil {
			return nil, err
		}
		*filled = newAsset("index.html", text)
	}
	return a, nil
}

// readManifest reads the manifest of static/pack: the hashed names of the built files, by
// their plain names. Without a manifest, nothing was built.
func readManifest(fsys fs.FS) (map[string]string, error) {
	text, err := fs.ReadFile(fsys, "dist/manifest.json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names map[string]string
	if err := json.Unmarshal(text, &names); err != nil {
		return nil, fmt.Errorf("dist/manifest.json: %w", err)
	}
	return names, nil
}

var placeholder = regexp.MustCompile(`\{\{(.*?)\}\}`)

// fill replaces {{version}}, {{root}}, {{app.css}} and the other placeholders of the page.
// root is the relative address of the server's root, seen from the page.
func fill(page []byte, version, root string, names map[string]string) ([]byte, error) {
	var err error
	filled := placeholder.ReplaceAllFunc(page, func(match []byte) []byte {
		name := string(match[2 : len(match)-2])
		switch hashed := names[name]; {
		case name == "version":
			return []byte(version)
		case name == "root":
			return []byte(root)
		case hashed != "":
			return []byte(root + folder + hashed)
		}
		err = fmt.Errorf("index.html: nothing to put in place of %s", match)
		return nil
	})
	return filled, err
}

// shortHash is 16 hex digits of the content's SHA-256.
func shortHash(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:8])
}
