package client

import "time"

// Frame is a frame that went over the connection.
type Frame struct {
	// Sent says that it is ours, else it is the server's.
	Sent bool
	// At is when it was given to the connection, or taken from it.
	At time.Time
	// Text is the frame as it is on the wire. It must not be changed.
	Text []byte
}

// SetFrameObserver tells f every frame from now on, in place of Config.OnFrame or of who was
// told before. nil tells nobody: then a frame costs one comparison. What was on
// its way to the one before is still told to him.
func (c *Client) SetFrameObserver(f func(Frame)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.observer = f
}

// observe passes a frame to the observer. Call it with mu held.
func (c *Client) observe(sent bool, text []byte) {
	if c.observer == nil {
		return
	}
	observer, f := c.observer, Frame{sent, time.Now(), text}
	c.enqueueCallback(func() { observer(f) })
}
