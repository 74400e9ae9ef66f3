package main

import (
	"context"
	"sync/atomic"

	"websockets/wasm/client"
)

// connector keeps the client connected. Its methods are safe for concurrent use.
type connector struct {
	client *client.Client
	again  chan struct{} // tells run to start the client again
	cancel atomic.Value  // context.CancelFunc: ends the client's Run
}

func newConnector(c *client.Client) *connector {
	return &connector{client: c, again: make(chan struct{}, 1)}
}

// run runs the client, which reconnects by itself. After a final close and after stop it
// calls ended and waits for restart.
func (c *connector) run(ended func()) {
	for {
		ctx, cancel := context.WithCancel(context.Background())
		c.cancel.Store(cancel)
		c.client.Run(ctx) // the View has the reason when it returns
		cancel()
		ended()
		<-c.again
		select {
		case <-c.again: // restart was called twice
		default:
		}
	}
}

// stop ends the connection until restart is called.
func (c *connector) stop() {
	if cancel, ok := c.cancel.Load().(context.CancelFunc); ok {
		cancel()
	}
}

// restart starts the client again after it has ended.
func (c *connector) restart() {
	select {
	case c.again <- struct{}{}:
	default:
	}
}
