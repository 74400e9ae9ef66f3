//go:build !js

package main

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// axeCore is the source of axe-core, as ./build.sh test gets it from npm.
var axeCore = sync.OnceValues(func() (string, error) {
	source, err := os.ReadFile("../.test/node_modules/axe-core/axe.min.js")
	return string(source), err
})

// axe fails the test for every barrier that axe-core finds in the page. Without
// axe-core it does nothing, which TestAxeIsThere says.
func (b *tab) axe(state string) {
	b.t.Helper()
	source, err := axeCore()
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	// What the DevTools evaluate is not held back by the page's policy.
	found, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](`(async () => {
		if (!window.axe) {`+source+`}
		const {violations} = await axe.run({resultTypes: ["violations"]});
		return violations.flatMap(v => v.nodes.map(n => v.id + ": " + n.target.join(" ") + ": " + n.failureSummary));
	})()`, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("axe-core in %s: %v", state, err)
	}
	for _, barrier := range found {
		b.t.Errorf("%s: %s", state, strings.Join(strings.Fields(barrier), " "))
	}
}

func TestAxeIsThere(t *testing.T) {
	if _, err := axeCore(); err != nil {
		t.Skip("NOT RUN: axe-core is not there, so the states of the page were not looked at for barriers; ./build.sh test gets it where there is npm")
	}
}
