// Package view decides what the page shows: rows, texts and states, derived from the
// client's View. It does not touch the DOM, so all of it has native tests. The files
// wasm/*_js.go turn its results into elements.
//
// What only the browser knows, such as a day's name in the reader's language, is passed
// in as a function. Nothing here is safe for concurrent use: the page has one
// goroutine.
//
//	timeline.go    Timeline: the part of a room that is in the page, and the divider
//	rows.go        the rows of the timeline; fold.go shortens long messages
//	rooms.go       the list of rooms, and a room that cannot be opened
//	members.go     members, and who is typing
//	people.go      colors, initials, and tags for people with the same name
//	composer.go    the hint below the composer
//	drafts.go      drafts
//	connection.go  the state of the connection
//	bell.go        notifications
//	topic.go       a room's topic
//	keys.go        keyboard shortcuts
//	drawer.go      the event drawer for developers
//	forget.go      warnings before a session is dropped
//	spans.go       links and code in a message; emoji.go for messages of emoji
//	sentence.go    errors as sentences; isolate.go names within sentences
//	title.go       the title of the tab; address.go the path of a room
package view
