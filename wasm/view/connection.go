package view

import (
	"strconv"
	"strings"
	"time"

	"websockets/shared"
	"websockets/wasm/client"
)

// bannerAfter is how long the connection must be lost before the banner appears. Most
// connections return before that.
const bannerAfter = 5 * time.Second

// kept is what the banner says about unsent messages.
const kept = "Your messages are kept."

// States of the connection dot.
const (
	DotConnected  = "connected"
	DotConnecting = "connecting"
	DotOffline    = "offline"
)

// Actions of the banner's button.
const (
	DoNow      = "now"      // reconnect now
	DoConnect  = "connect"  // connect again after a final close
	DoReload   = "reload"   // reload the page
	DoContinue = "continue" // continue as a new guest
)

// Connection is how the page shows the connection.
type Connection struct {
	Dot   string
	Label string

	// Lost is the text of the banner, empty for no banner. Screen readers read it.
	// Retry says when the next attempt is; it changes every second. Button is the label
	// of the button and Do its action.
	Lost   string
	Retry  string
	Button string
	Do     string

	// Refused is true if the server refuses the session. The reader decides what to do.
	Refused bool
	// Newer is true if the server has a newer version of the page.
	Newer bool
	// RefreshIn is when to call ConnectionOf again although the View has not changed, at
	// most a second from now. Zero means never.
	RefreshIn time.Duration
}

// ConnectionOf returns how to show the connection. online is the browser's network
// state. booted is true once a room has been shown. stored is true if the browser stores
// all unsent messages. version is the page's own version.
func ConnectionOf(v client.View, now time.Time, online, booted, stored bool, version string) Connection {
	c := connectionOf(v, now, online, booted, version)
	if !stored {
		c.Lost = strings.Replace(c.Lost, kept, "Keep this page open: this browser can't store unsent messages.", 1)
	}
	return c
}

func connectionOf(v client.View, now time.Time, online, booted bool, version string) Connection {
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
	case v.Refusal != "":
		c.Lost = "Not connected: " + shared.Clip(v.Refusal, 200) + "."
	case booted:
		c.Lost = "Connection lost."
	default:
		c.Lost = "Can't reach the server."
	}
	c.Lost += " " + kept
	c.Button, c.Do = "Now", DoNow
	if !online {
		return c // the browser reports when the network returns
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

// end explains a final close and what the reader can do.
func (c *Connection) end(v client.View) {
	switch v.Code {
	case 0: // closed by the page itself
	case shared.CloseSession:
		c.Refused = true
		c.Lost = "Your session has ended. " + kept
		c.Button, c.Do = "Continue as a new guest", DoContinue
	case shared.CloseToken:
		c.Lost = "You are not signed in, or your sign-in has expired. Sign in, then reload this page. " + kept
		c.Button, c.Do = "Reload", DoReload
	case shared.CloseSessionRevoked:
		c.Lost = "An administrator ended your session."
		c.Button, c.Do = "Reload", DoReload
	case shared.ClosePolicy:
		c.Lost = "The server closed the connection because of too many messages or errors. Wait a moment, then connect again."
		c.Button, c.Do = "Connect again", DoConnect
	case shared.CloseTooBig:
		c.Lost = "The server closed the connection because a message was too large. It is marked as not sent: shorten or delete it."
		c.Button, c.Do = "Connect again", DoConnect
	case shared.CloseUnsupportedData, shared.CloseInvalidText, 1002:
		c.Lost = "The server didn't understand this page. Reload it. " + kept
		c.Button, c.Do = "Reload", DoReload
	default:
		c.Lost = "The server closed the connection (" + shared.Clip(v.Reason, 200) + ")."
		c.Button, c.Do = "Connect again", DoConnect
	}
}

// Seconds formats a duration in whole seconds, rounded up. So it never says 0 s.
func Seconds(d time.Duration) string {
	return strconv.Itoa(int((d+time.Second-1)/time.Second)) + " s"
}
