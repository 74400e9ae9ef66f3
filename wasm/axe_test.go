//go:build !js

package main

import (
	"os"
	"strings"
	"sync"
	"testing"
)

// axeCore is the source of axe-core, as ./build.sh test gets it from npm.
var axeCore = sync.OnceValues(func() (string, error) {
	source, err := os.ReadFile("../.test/node_modules/axe-core/axe.min.js")
	return string(source), err
})

// axe fails the test for every barrier that axe-core finds in the page, by all of
// its rules or by these. Without axe-core it does nothing, which
// TestAxeIsThere says.
func (b *tab) axe(state string, rules ...string) {
	b.t.Helper()
	source, err := axeCore()
	if err != nil {
		return
	}
	// What DevTools evaluate is not held back by the page's policy.
	if evaluate[bool](b, "looking for axe-core", `!window.axe`) {
		b.do("loading axe-core", source+script("axe.js"))
	}
	for _, barrier := range evaluate[[]string](b, "axe-core in "+state, js("barriers", rules)) {
		b.t.Errorf("%s: %s", state, strings.Join(strings.Fields(barrier), " "))
	}
}

func TestAxeIsThere(t *testing.T) {
	if _, err := axeCore(); err != nil {
		t.Skip("NOT RUN: axe-core is not there, so the states of the page were not looked at for barriers; ./build.sh test gets it where there is npm")
	}
}
