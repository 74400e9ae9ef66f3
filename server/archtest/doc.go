// Package archtest checks the source tree against the rules of its architecture. It has
// tests only.
//
//	rules_test.go  the rules
package archtest
