// Package quota limits what all connections of an address, and of a user, may use
// together, and how fast one connection may send.
//
// It counts connections, events and new rooms, but holds none of them. The caller
// acquires and releases quotas, waits when a Throttle says so, and passes the time.
//
//	registry.go  Registry: connections, events and new rooms, by address and by user
//	throttle.go  Throttle: the events and pings of one connection
//	address.go   AddressOf: what counts as one address
//	refusal.go   Refusal: the error of what is refused
package quota
