// Package logtest tests that an event log keeps its contract.
package logtest
