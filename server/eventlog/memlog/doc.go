// Package memlog keeps the event log in memory. What it holds ends with the process.
//
//	memlog.go  Options, Open, and Log, which implements eventlog.Store
//	values.go  the key-value stores beside it
//
// It serves tests, and servers that run with --data none. The contract is described in
// package eventlog and tested by package logtest.
//
// # Structure
//
// All rooms share one sequence. Each room has a slice of its records, so reading is a
// binary search. Log.order lists the records of all rooms from oldest to newest; it
// tells which record to remove next.
//
// # Limits
//
// Records take at most Options.MaxBytes, 256 MB by default; the oldest of all rooms are
// removed first. MaxAge and MaxRoomMessages remove records earlier. Each key-value store
// may take another quarter of MaxBytes, after which it refuses to grow. The keys
// of the newest records take Options.KeyBytes more, see package dedupe.
//
// # Locks
//
// Log.mu guards the records; each key-value store has a lock of its own. The two are
// never held together. Append calls the room's Subscriber with Log.mu held, then unlocks
// it and calls done, both on the caller's goroutine. Watchers are called with their
// store's lock held. The package starts no goroutines: records expire when the log is
// next used.
package memlog
