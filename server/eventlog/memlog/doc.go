// Package memlog is an event log in memory: for tests, and for a server that is
// not to keep anything. What it holds ends with the process.
package memlog
