package main

import (
	"syscall/js"
	"time"

	"websockets/wasm/client"
	"websockets/wasm/view"
)

// connectionParts shows the state of the connection: always a dot with a label, and a
// banner if it is lost for longer.
type connectionParts struct {
	dot     *label
	banner  js.Value
	lost    *label // what has happened; screen readers read it
	retry   *label // when the next attempt is; not read, because it changes every second
	button  *label
	newer   js.Value
	version string // the page's own
	now     view.Connection
}

func newConnectionParts() connectionParts {
	return connectionParts{
		dot:     newLabel(byID("connection")),
		banner:  byID("banner"),
		lost:    newLabel(byID("lost")),
		retry:   newLabel(byID("retry")),
		button:  newLabel(byID("reconnect")),
		newer:   byID("newer"),
		version: find(document, `meta[name="version"]`).Get("content").String(),
	}
}

func (p *Page) drawConnection(v client.View) {
	c := &p.connection
	online := window.Get("navigator").Get("onLine").Bool()
	was := c.now
	c.now = view.ConnectionOf(v, time.Now(), online, p.booted, c.version)
	setData(c.dot.Value, "state", c.now.Dot)
	c.dot.set(c.now.Label)
	c.lost.set(c.now.Lost)
	c.retry.set(c.now.Retry)
	c.button.set(c.now.Button)
	setHidden(c.button.Value, c.now.Button == "")
	setHidden(c.banner, c.now.Lost == "")
	setHidden(c.newer, !c.now.Newer)
	if c.now.Refused && !was.Refused {
		p.session.askToContinue()
	}

	if c.now.RefreshIn > 0 {
		p.tick(c.now.RefreshIn)
	}
	if time.Now().Before(v.PausedUntil) {
		p.tick(time.Second)
	}
}

// reconnect performs the action of the banner's button.
func (p *Page) reconnect() {
	switch p.connection.now.Do {
	case view.DoNow:
		p.client.CheckNow()
	case view.DoConnect:
		p.connector.restart()
	case view.DoContinue:
		p.session.askToContinue()
	case view.DoReload:
		window.Get("location").Call("reload")
	}
}
