// Command wasm is the page's program. It connects package client to the elements of
// index.html: it shows the client's View and passes on what the reader does. Package
// view decides how things are shown, package storage keeps things in localStorage.
//
//	page_js.go        Page: its parts, and what the keys do in them
//	loop_js.go        the page's goroutine, and when it draws
//	timeline_js.go    the messages; row_js.go a row, scroll_js.go scrolling and loading
//	composer_js.go    the composer; drafts_js.go drafts
//	rooms_js.go       the rooms; refused_js.go a room that cannot be opened;
//	                  address_js.go the room in the page's address; history_js.go what
//	                  Back closes on a phone
//	members_js.go     the members
//	connector_js.go   keeping the client connected; connection_js.go the state shown
//	notice_js.go      what just happened
//	me_js.go, topic_js.go, forget_js.go, keys_js.go
//	                  dialogs; dialog_js.go what two of them share
//	bell_js.go        notifications
//	drawer_js.go      the event drawer
//	console_js.go     sendEvent for the browser's console
//	list_js.go, dom_js.go, clock_js.go
//	                  helpers
//	main_js.go        main; main_other.go says elsewhere that it needs a browser
package main
