package view

import (
	"strconv"
	"time"

	"websockets/shared"
	"websockets/wasm/client"
)

// bannerAfter is how long the connection may be away before more than the dot
// says so: most come back before anybody has noticed.
const bannerAfter = 5 * time.Second

// States of the dot.
const (
	DotConnected  = "connected"
	DotConnecting = "connecting"
	DotOffline    = "offline"
)

// What the banner's button does.
const (
	DoNow      = "now"      // the next attempt at once
	DoConnect  = "connect"  // begin anew after a close that was final
	DoReload   = "reload"   // fetch the page again
	DoContinue = "continue" // become a new guest and begin anew
)

// Connection is what is said of the connection.
type Connection struct {
	Dot   string
	Label string

	// Lost says what has happened, and is to be read out; empty means no banner.
	// Retry says when something is done about it, and changes with the clock.
	// Button is the word for Do.
	Lost   string
	Retry  string
	Button string
	Do     string

	// Refused says that the server refuses the session: the reader decides.
	Refused bool
	// Newer says that the server has another version of the page.
	Newer bool
	// RefreshIn is when some of this changes with the clock alone, at most a second from
	// now; zero if it does not.
	RefreshIn time.Duration
}

// ConnectionOf decides it. online is what the browser says of its network, booted
// whether a room has been shown yet, version the page's own.
func ConnectionOf(v client.View, now time.Time, online, booted bool, version string) Connection {
	c := Connection{Newer: v.Version != "" && v.Version != version}
	switch {
	case v.State == client.Online:
		c.Dot, c.Label = DotConnected, "Connected"
		return c
	case v.State == client.Ended:
		c.Dot, c.Label = DotOffline, "Disconnected"
		c.end(v)
		return c
	case !online:
		c.Dot, c.Label = DotOffline, "Offline"
	case booted:
		c.Dot, c.Label = DotConnecting, "Reconnecting"
	default:
		c.Dot, c.Label = DotConnecting, "Connecting"
	}
	if early := v.Since.Add(bannerAfter).Sub(now); early > 0 {
		c.RefreshIn = min(early, time.Second)
		return c
	}
	switch {
	case !online:
		c.Lost = "This device is offline."
	case booted:
		c.Lost = "The connection is lost."
	default:
		c.Lost = "The server cannot be reached."
	}
	c.Lost += " What you write is kept."
	c.Button, c.Do = "Now", DoNow
	if !online {
		return c // the browser says when that is over, and not a clock
	}
	c.Retry, c.RefreshIn = "Reconnecting…", time.Second
	if wait := v.Retry.Sub(now); v.State == client.Offline && wait > 0 {
		c.Retry = "Reconnecting in " + Seconds(wait)
		if next := wait % time.Second; next > 0 {
			c.RefreshIn = next
		}
	}
	return c
}

// end says what a close that is final means, and what the reader can do.
func (c *Connection) end(v client.View) {
	switch v.Code {
	case 0: // our own doing
	case shared.CloseSession:
		c.Refused = true
		c.Lost = "Your session has ended. What you wrote is kept."
		c.Button, c.Do = "Continue as a new guest", DoContinue
	case shared.CloseToken:
		c.Lost = "Your sign-in is missing or has ended. Sign in again, then reload this page; what you wrote is kept."
		c.Button, c.Do = "Reload", DoReload
	case shared.CloseSessionRevoked:
		c.Lost = "Your session was ended by who runs this server."
		c.Button, c.Do = "Reload", DoReload
	case shared.ClosePolicy:
		c.Lost = "The server has closed the connection: too much came from here at once, or too much that was wrong. Wait a moment before you go on."
		c.Button, c.Do = "Connect again", DoConnect
	case shared.CloseTooBig:
		c.Lost = "The server has closed the connection: a message was larger than it takes. It is marked as not sent; shorten or delete it."
		c.Button, c.Do = "Connect again", DoConnect
	case shared.CloseUnsupportedData, shared.CloseInvalidText, 1002:
		c.Lost = "The server did not understand this page. Reload it; what you wrote is kept."
		c.Button, c.Do = "Reload", DoReload
	default:
		c.Lost = "The server has ended the connection for good (" + shared.Clip(v.Reason, 200) + ")."
		c.Button, c.Do = "Connect again", DoConnect
	}
}

// Seconds rounds up: nothing is said to be due in 0 s.
func Seconds(d time.Duration) string {
	return strconv.Itoa(int((d+time.Second-1)/time.Second)) + " s"
}
