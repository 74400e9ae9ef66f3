// Package dedupe remembers the keys of a log's newest appends in a fixed amount of
// memory, so that the log stores none of them twice.
//
//	table.go  Table: at which sequence a key may be stored
//
// A Table keeps a hash of each key. It answers with places; the log reads its record
// there and compares the key itself. So two keys with the same hash cost a read, and
// never a message.
package dedupe
