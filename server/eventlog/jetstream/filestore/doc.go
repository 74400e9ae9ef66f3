// Package filestore finds and repairs damage in the files of an embedded JetStream
// store. It runs before NATS opens them; nothing else may have them open.
//
//	repair.go  Repair: which files are repaired, and the copies that are made first
//	blocks.go  the format of a stream's blocks, and erasing what cannot be read in one
package filestore
