// Package loglimit keeps what clients cause from filling the server's log.
//
//	loglimit.go  New: a logger of at most one record a second for each message
package loglimit
