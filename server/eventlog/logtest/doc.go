// Package logtest holds the tests that every implementation of eventlog.Store must
// pass. They test what the doc comments of package eventlog promise.
//
//	logtest.go  Run: the tests, in parallel, each on logs of its own
//
// The tests of packages memlog and jetstream call Run with a function that opens an
// empty log. A test that waits for a delivery waits for at most servertest.Patience.
package logtest
