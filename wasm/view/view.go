// Package view decides what the page shows: rows, words, states and their order,
// made of the client's View. It knows nothing of the DOM, so all of it has native
// tests; the page's wasm/*_js.go turn what is decided here into elements.
//
// What needs the browser, such as a day's name in the reader's language, comes in
// as a function. Nothing here is safe from several goroutines: the page has one.
package view
