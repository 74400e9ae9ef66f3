// Package archtest checks the source tree against the rules of its architecture. It has
// tests only.
//
//	rules_test.go  which package may import which, where the DOM is used, where
//	               JavaScript and HTML may come from, and that each package has a map
//	protocol_test.go  what shared/PROTOCOL.md has to say; -update writes it
//	limits_test.go    its limits; source_test.go: what it takes from the source
//
// ARCHITECTURE.md explains the rules. They read the files of every platform, whether or
// not this one compiles them.
package archtest
