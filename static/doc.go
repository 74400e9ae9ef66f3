// Package static holds the page and what it loads, inside the binary, and gives
// them out over HTTP.
//
// index.html, app.css and load.js are embedded as the repository has them. The
// browser client is built by static/pack into dist; a binary made without that
// step (go run ./server in a fresh clone) gives out a page that says what to do.
// Every file but the page has a hash of its content in its name, so a browser
// may keep it for ever.
package static
