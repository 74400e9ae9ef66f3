// Package storage keeps what must survive a tab in localStorage, which all tabs of a site
// share. It knows neither the page's elements nor what is stored, except for outboxes.
//
//	storage_js.go   Store: the keys with a prefix
//	outboxes_js.go  Outboxes: the unsent messages of all tabs
//
// It is empty unless it is compiled for the browser.
package storage
