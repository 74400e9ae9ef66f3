package main

import (
	"syscall/js"
	"time"

	"websockets/wasm/client"
	"websockets/wasm/view"
)

// connectionStatus shows the state of the connection: always a dot with a label, and a
// banner if it is lost for longer.
type connectionStatus struct {
	loop      *loop
	client    *client.Client
	connector *connector
	refused   func() // asks what to do about a session that the server refuses

	dot     *label
	banner  js.Value
	lost    *label // what has happened; screen readers read it
	retry   *label // when the next attempt is; not read, because it changes every second
	button  *label
	newer   js.Value
	version string // the page's own
	state   client.State
	now     view.Connection
}

func newConnectionStatus(l *loop, c *client.Client, connector *connector, refused func()) *connectionStatus {
	s := &connectionStatus{
		loop:      l,
		client:    c,
		connector: connector,
		refused:   refused,

		dot:     newLabel(byID("connection")),
		banner:  byID("banner"),
		lost:    newLabel(byID("lost")),
		retry:   newLabel(byID("retry")),
		button:  newLabel(byID("reconnect")),
		newer:   byID("newer"),
		version: find(document, `meta[name="version"]`).Get("content").String(),
	}
	s.listen()
	return s
}

func (s *connectionStatus) listen() {
	// After events that may follow a sleep or a network change, the client checks the
	// connection with one ping. A frozen page gets resume, or only focus.
	check := func(js.Value) { s.client.CheckNow() }
	listen(window, "focus", check)
	listen(window, "pageshow", check)
	listen(document, "resume", check)
	listen(window, "online", func(js.Value) {
		s.client.CheckNow()
		s.loop.changed()
	})
	listen(window, "offline", func(js.Value) {
		s.loop.post(func() {
			if s.state == client.Online {
				s.client.CheckNow()
			}
			s.loop.redraw()
		})
	})
	listen(byID("reload"), "click", func(js.Value) { reload() })
	listen(s.button.Value, "click", func(js.Value) { s.loop.post(s.press) })
}

// draw shows the connection. stored is true if the browser stores all unsent messages.
func (s *connectionStatus) draw(v client.View, booted, stored bool) {
	online := window.Get("navigator").Get("onLine").Bool()
	was := s.now
	s.state, s.now = v.State, view.ConnectionOf(v, time.Now(), online, booted, stored, s.version)
	setData(s.dot.Value, "state", s.now.Dot)
	s.dot.set(s.now.Label)
	s.lost.set(s.now.Lost)
	s.retry.set(s.now.Retry)
	s.button.set(s.now.Button)
	setHidden(s.button.Value, s.now.Button == "")
	setHidden(s.banner, s.now.Lost == "")
	setHidden(s.newer, !s.now.Newer)
	if s.now.Refused && !was.Refused {
		s.refused()
	}

	if s.now.RefreshIn > 0 {
		s.loop.tick(s.now.RefreshIn)
	}
	if time.Now().Before(v.PausedUntil) {
		s.loop.tick(time.Second)
	}
}

// press performs the action of the banner's button.
func (s *connectionStatus) press() {
	switch s.now.Do {
	case view.DoNow:
		s.client.CheckNow()
	case view.DoConnect:
		s.connector.restart()
	case view.DoContinue:
		s.refused()
	case view.DoReload:
		reload()
	}
}

func reload() { window.Get("location").Call("reload") }
