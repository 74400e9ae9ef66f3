// Package quota limits what the connections of one address, and of one user, may use
// up together, and how fast one connection may send.
//
// It knows neither connections nor rooms. The caller acquires and releases, waits
// where a Throttle asks for it, and passes the time.
//
//	registry.go  Registry: connections, counted by address and by user
//	throttle.go  Throttle: the events and pings of one connection
//	address.go   AddressOf: what counts as one address
//	refusal.go   Refusal: the error of whatever is refused
package quota
