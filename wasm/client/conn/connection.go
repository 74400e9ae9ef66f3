package conn

import "context"

const (
	// EgressLength is how many frames wait for the writer at most.
	EgressLength = 256
	// maxBatch is how many frames the owner receives at once, and how many the
	// reader may be ahead.
	maxBatch = 64
)

// connection is one Conn with its reader and its writer. Run's goroutine makes it,
// takes what has arrived, and ends it by closing done and then conn.
type connection struct {
	conn    Conn
	inbound chan inbound  // from readMessages, in order
	egress  chan []byte   // to writeMessages; never closed
	done    chan struct{} // closed when the connection is no longer used
}

// inbound is a frame, or the error that ended the connection.
type inbound struct {
	frame []byte
	err   error
}

func newConnection(conn Conn) *connection {
	return &connection{
		conn:    conn,
		inbound: make(chan inbound, maxBatch),
		egress:  make(chan []byte, EgressLength),
		done:    make(chan struct{}),
	}
}

// readMessages reads until the connection ends.
func (c *connection) readMessages() {
	for {
		// Not a context that ends, see Conn: Close ends a Read.
		frame, err := c.conn.Read(context.Background())
		select {
		case c.inbound <- inbound{frame, err}:
		case <-c.done:
			return
		}
		if err != nil {
			return
		}
	}
}

// writeMessages is the only writer of the connection. It calls drained whenever
// the egress has run empty. It does not report an error: the reader learns why the
// connection ended.
func (c *connection) writeMessages(drained func()) {
	for {
		select {
		case frame := <-c.egress:
			err := c.conn.Write(context.Background(), frame)
			if err != nil {
				return
			}
			if len(c.egress) == 0 {
				drained()
			}
		case <-c.done:
			return
		}
	}
}

// full reports whether the egress has no room for a frame.
func (c *connection) full() bool { return len(c.egress) == cap(c.egress) }
