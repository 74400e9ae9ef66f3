// Package static holds the page and the files it loads, and serves them over HTTP. All
// of them are embedded in the binary.
//
//	static.go    Load and Assets: names with hashes, the version, the filled page
//	serve.go     ServePage, ServeFile: encodings, caching, ranges
//	index.html   the page; app.css is its style sheet
//	load.js      starts the wasm, and is the only script of ours
//	dist         the built client, written by static/pack and not in the repository
//
// The client consists of app.wasm, Go's wasm_exec.js, and a compressed form of each. A
// binary that was built without them, as by go run ./server in a fresh clone, serves a
// page that says how to build them.
//
// # Caching
//
// The name of every file but the page contains a hash of its content, so browsers may
// keep it for a year. The page is revalidated each time. Its version is a hash of all
// names together, so a page notices when the server has a newer one.
//
// # Callers
//
// Package main loads the Assets, package web routes requests to them, and package chat
// tells clients the version. Assets do not change after Load, and have no lock: all
// methods may be called from any goroutine.
package static
