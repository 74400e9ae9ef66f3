// Package jetstream keeps the event log in NATS JetStream: embedded in this process,
// on its disk, or on external NATS servers. It is the only package that knows NATS.
//
// Rooms are spread over a fixed number of streams, the shards, by a hash of their
// names. A record of a room is a message of its shard's stream, on the subject
// PREFIX.room.SHARD.ROOM, and has the stream's sequence. The stream republishes what it
// has stored. That feed may lose messages, so subscriptions are reconciled with the
// stream twice a second.
//
//	log.go         Log: Options, Open, Close; hands calls on to the room's shard
//	health.go      health: whether the embedded store can be written; Ready, Failed
//	embedded.go    NATS inside this process; connect.go, credentials.go: connections; lock_*.go: the folder's lock
//	filestore      a package: repairs the embedded store's files before NATS opens them
//	values.go      values: a key-value store
//
//	names.go       names: of streams, buckets and subjects, with the store's prefix
//	existing.go    existing: what there is of the store when it is opened; marks; version 0.1.0
//	settings.go    settings: what a stream keeps and on how many servers, for its readers
//	apply.go       comparing the store's settings with Options, and changing them
//
//	shard.go       shard: a stream, its rooms' subscriptions, its connection
//	append.go      appender: publishing, and matching replies to messages
//	batch.go       queue: many messages as one atomic batch, with one fsync
//	keys.go        recentKeys: which appends are stored already
//	follow.go      follower: the feed; shard.follow delivers it
//	subscribe.go   subscription: order, holes, signals between servers
//	reconcile.go   finding what the feed has lost
//	checkpoint.go  checkpoint: how far the stream has come, stored once a second
//	epoch.go       comparing the stream with its checkpoint when the log is opened; epochs
//
//	stream.go      stream: reads of one stream; its state, the heads of many rooms
//	newest.go      the newest record of every room, however many there are
//	directget.go   its requests: JetStream's direct get API
//	room.go        roomReader: reads of one room; after, locate, count
//	before.go      before: the stream is indexed by sequence, not by room
//	gaps.go        records that cannot be read
//
// # Who calls whom
//
//	Log ──> shard ──> appender, follower, values
//	 │        ├─────> subscription ──> roomReader
//	 └────────┴─────> stream, roomReader ──> NATS
//
// # Goroutines
//
// Each shard has one that follows the feed, one that reconciles, one that reads keys, one
// that stores checkpoints and one that fails appends without a reply; on external servers another
// one delivers signals. The log has one that watches epochs, one for each Watch of a
// value, and one that watches the embedded store. All end with Close. Replies to appends
// are handled on a goroutine of the NATS client.
//
// # Locks
//
// From outside to inside: appender.publishing, then appender.mu; recentKeys.mu is not
// nested with others; shard.mu, then subscription.mu, which is held while the subscriber is called. An append's done is
// called without appender.mu. Nothing waits for NATS with a lock held, except publishing
// with appender.publishing.
package jetstream
