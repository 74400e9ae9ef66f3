// Package e2e tests the server as its users run it: as a process that listens on
// a port, keeps its data in a folder, and gets killed.
package e2e
