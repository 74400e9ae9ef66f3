// Package jetstream keeps the event log in NATS JetStream: embedded in this
// process, on its disk, or on external NATS servers. It is the only package that
// knows NATS.
//
// Rooms are spread over a fixed number of streams, the shards, by a hash of their
// names. A record of a room is a message of its shard's stream, on the subject
// room.SHARD.ROOM, and its sequence is the stream's. The stream republishes what
// it has stored; that feed may lose messages, so subscriptions are reconciled with
// the stream twice a second.
//
//	log.go        Options, Open, Close; shards
//	append.go     publishing, and matching the store's answers to what was published
//	group.go      many appends as one atomic batch, with one fsync
//	follow.go     the feed of a shard: what was stored, in batches
//	subscribe.go  a room's subscription: order, gaps, signals between servers
//	reconcile.go  finding what the feed has lost
//	read.go       After, Head, Locate, Count, RecentRooms
//	before.go     Before: a stream is indexed by sequence, not by room
//	gaps.go       records that cannot be read
//	directget.go  requests of JetStream's direct get API
//	values.go     key-value stores
//	epoch.go      finding at start what the log has lost; epochs, checkpoints
//	filestore     a package: finding and repairing damage in the embedded store's files
//	ready.go      whether the store takes writes, and when it has failed
//	connect.go, embedded.go, lock_*.go
package jetstream
