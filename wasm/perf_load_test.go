//go:build perf && !js

package main

import (
	"context"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"

	"websockets/server/servertest"
	"websockets/shared"
)

// What people run is measured, which is not the shell.
func init() { shells = nil }

// timing is how far the page was when, in milliseconds since it was asked for.
type timing struct {
	Painted   float64 `json:"painted"`
	Fetched   float64 `json:"fetched"`
	Compiled  float64 `json:"compiled"`
	Dialled   float64 `json:"dialled"`
	Connected float64 `json:"connected"`
	Ready     float64 `json:"ready"`
	Memory    float64 `json:"memory"` // of the wasm, in MiB
}

// newMeasured is an empty tab that will note what happens in it.
func newMeasured(t *testing.T, profile context.Context) *tab {
	t.Helper()
	b := newTabIn(t, profile)
	b.atStart(script("perf.js"))
	return b
}

// load goes to the page and waits until a message could be written in it.
func (b *tab) load(url string) timing {
	b.t.Helper()
	b.run("loading", chromedp.Navigate(url))
	b.await("the first room", `loaded()`)
	return evaluate[timing](b, "reading the times", `timing()`)
}

// TestPerfLoading: the page comes to somebody who was never here, and to the same
// browser again.
func TestPerfLoading(t *testing.T) {
	const loads = 20
	server := startServer(t)
	fill(t, server, shared.DefaultRoom, 60)

	var cold, warm []timing
	for range loads {
		b := newMeasured(t, newProfile(t))
		cold = append(cold, b.load(server.URL()))
		b.close()
	}
	b := newMeasured(t, newProfile(t))
	b.load(server.URL())
	for range loads {
		warm = append(warm, b.load(server.URL()))
	}

	// A machine that does ten other things needs some three times as long. Ten times
	// as long is another page.
	const fails = 10
	for _, m := range []struct {
		name  string
		loads []timing
		ready float64
	}{{"cold", cold, 400}, {"warm", warm, 200}} {
		row := func(what string, percent int, aim float64, of func(timing) float64) {
			var all []float64
			for _, at := range m.loads {
				all = append(all, of(at))
			}
			slices.Sort(all)
			name := "page, " + m.name + ": " + what + ", p50"
			if percent != 50 {
				name = "page, " + m.name + ": " + what + ", p95"
			}
			servertest.Report(t, servertest.Figure{Name: name, Got: all[len(all)*percent/100], Aim: aim, Unit: "ms", Fails: fails})
		}
		row("first paint", 50, 100, func(at timing) float64 { return at.Painted })
		row("first paint", 95, 0, func(at timing) float64 { return at.Painted })
		row("wasm fetched", 50, 0, func(at timing) float64 { return at.Fetched })
		row("wasm compiled", 50, 0, func(at timing) float64 { return at.Compiled })
		row("socket dialled", 50, 0, func(at timing) float64 { return at.Dialled })
		row("socket connected", 50, 0, func(at timing) float64 { return at.Connected })
		row("interactive", 50, 0, func(at timing) float64 { return at.Ready })
		row("interactive", 95, m.ready, func(at timing) float64 { return at.Ready })
	}
	// What the wasm needs does not depend on the machine.
	servertest.Report(t, servertest.Figure{Name: "page: wasm memory at start", Got: cold[0].Memory, Aim: 6, Unit: "MiB", Fails: 2})
}
