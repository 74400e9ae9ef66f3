package main

import (
	"strconv"
	"syscall/js"
	"time"

	"websockets/wasm/client"
)

// bannerAfter is how long the connection may be away before more than the dot
// says so.
const bannerAfter = 5 * time.Second

// connectionParts show the state of the connection: a dot with a word always, a
// banner when it takes longer.
type connectionParts struct {
	dot     *label
	banner  js.Value
	lost    *label // what has happened: read out once
	retry   *label // when the next attempt is: changes each second, not read out
	again   *label // the button
	newer   js.Value
	version string // the page's own
}

func newConnectionParts() connectionParts {
	return connectionParts{
		dot:     newLabel(byID("connection")),
		banner:  byID("banner"),
		lost:    newLabel(byID("lost")),
		retry:   newLabel(byID("retry")),
		again:   newLabel(byID("reconnect")),
		newer:   byID("newer"),
		version: find(document, `meta[name="version"]`).Get("content").String(),
	}
}

func (p *Page) drawConnection(v client.View) {
	c := &p.connection
	state, word := "connected", "Connected"
	switch {
	case v.State == client.Ended, v.State != client.Online && !window.Get("navigator").Get("onLine").Bool():
		state, word = "offline", "Offline"
	case v.State != client.Online && !p.booted:
		state, word = "connecting", "Connecting"
	case v.State != client.Online:
		state, word = "connecting", "Reconnecting"
	}
	c.dot.Get("dataset").Set("state", state)
	c.dot.set(word)

	lost, retry, again := "", "", "Now"
	switch {
	case v.State == client.Ended:
		lost, again = "Disconnected: "+v.Reason, "Connect again"
	case v.State != client.Online && time.Since(v.Since) >= bannerAfter:
		lost, retry = "The connection is lost. What you write is kept.", "Trying again…"
		if !p.booted {
			lost = "The server cannot be reached."
		}
		if wait := time.Until(v.Retry); v.State == client.Offline && wait > 0 {
			retry = "Trying again in " + seconds(wait)
		}
	}
	c.lost.set(lost)
	c.retry.set(retry)
	c.again.set(again)
	setHidden(c.banner, lost == "")
	setHidden(c.newer, v.Version == "" || v.Version == c.version)

	if v.State == client.Connecting || v.State == client.Offline || time.Now().Before(v.PausedUntil) {
		p.tick()
	}
	if v.State == client.Online && !p.rooms.listed {
		p.listRooms()
	} else if v.State != client.Online {
		p.rooms.listed = false
	}
}

// seconds rounds up: nothing is said to be due in 0 s.
func seconds(d time.Duration) string {
	return strconv.Itoa(int((d+time.Second-1)/time.Second)) + " s"
}

// tick draws again in a second, for what changes with the clock alone.
func (p *Page) tick() {
	if p.ticking {
		return
	}
	p.ticking = true
	p.after(time.Second, func() {
		p.ticking = false
		p.redraw()
	})
}

// reconnect does not wait for the next attempt.
func (p *Page) reconnect() {
	if p.view.State != client.Ended {
		p.client.Wake()
		return
	}
	select {
	case p.again <- struct{}{}:
	default:
	}
}
