package chat

import (
	"net/http"
	"slices"
	"time"

	"websockets/server/delivery"
	"websockets/server/wsframe"
	"websockets/shared"
)

// ServeWS upgrades a request to a connection, or refuses it with an HTTP status. It
// returns when the connection is read by a goroutine of its own.
func (m *Manager) ServeWS(w http.ResponseWriter, r *http.Request) {
	m.acceptor.accept(w, r)
}

// serve makes a connection a client and starts its reader. It queues the first events
// itself: on the reader, they would make its stack large for good.
func (m *Manager) serve(h *handshake) {
	c := m.newClient(h)
	if c == nil {
		return
	}
	c.sendWelcome(h)
	c.joinFirstRoom(h)
	m.startReader(c)
}

// newClient makes a connection a client, or closes it and returns nil.
func (m *Manager) newClient(h *handshake) *Client {
	conn, frames, session, name := h.conn, h.frames, h.session, h.name
	c := &Client{manager: m, conn: conn, out: m.pool.NewConn(frames.Conn), user: session.User}
	c.connID, c.from = m.lastConnID.Add(1), h.from.Addr().String()
	c.session.Store(&session)
	c.name.Store(&name)
	userQuota, err := m.quotas.AcquireUser(c.user, time.Now())
	if err != nil {
		m.quotas.Release(time.Now(), h.addrQuota)
		m.logger.Warn("refused a connection: its user has reached a limit", "user", c.user, "from", c.from, "reason", err, "hint", userHint(err))
		closeWith(conn, shared.CloseTryLater, err.Error())
		return nil
	}
	c.addrQuota, c.userQuota = h.addrQuota, userQuota
	c.throttle = m.quotas.NewThrottle(c.addrQuota, c.userQuota)
	c.handle = c.routeEvent
	conn.SetPongHandler(func(string) error {
		c.out.NoteActivity()
		return c.countPing()
	})
	conn.SetPingHandler(func(data string) error {
		if err := c.countPing(); err != nil {
			return err
		}
		c.out.NoteActivity()
		c.out.Offer(wsframe.New(wsframe.Pong, []byte(data)))
		return nil
	})
	conn.SetCloseHandler(func(code int, _ string) error {
		c.out.Close(frames.closeAnswer(code), "")
		return nil
	})
	code, reason := m.addClient(c)
	if code != 0 {
		m.logger.Info("refused a connection when it was open", "user", c.user, "from", c.from, "code", code, "reason", reason)
		closeWith(conn, code, reason)
		m.quotas.Release(time.Now(), c.addrQuota, c.userQuota)
		return nil
	}
	return c
}

// sendWelcome tells the client who it is.
func (c *Client) sendWelcome(h *handshake) {
	window, records := c.manager.log.Dedupe()
	if h.ack != nil {
		c.send(h.ack)
	}
	c.send(shared.Welcome.Frame("", shared.WelcomePayload{
		User: c.user, Name: c.displayName(), Named: h.named,
		Limits: shared.Limits{
			MessageLength: shared.MaxMessageLength, FrameBytes: shared.MaxFrameBytes,
			Rooms: maxRooms, InFlight: delivery.Window,
		},
		Heartbeat: delivery.PingAfter.Seconds(), Version: c.manager.config.Version, Volatile: c.manager.config.Volatile, Session: h.session.Token,
		Dedupe: shared.Dedupe{Seconds: window.Seconds(), Messages: records},
	}))
}

// startReader runs the client's reader, and removes the client when that has ended.
func (m *Manager) startReader(c *Client) {
	go func() {
		c.readMessages()
		m.removeClient(c)
	}()
}

// addClient registers a client. If it must not be registered, addClient returns the code
// and the reason to close the connection with; otherwise the code is 0.
func (m *Manager) addClient(c *Client) (code int, reason string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closing:
		return shared.CloseRestart, "the server restarts"
	case m.revoked.include(c.session.Load()):
		return shared.CloseSessionRevoked, sessionRevoked
	}
	m.clients[c] = struct{}{}
	m.clientsOf[c.user] = append(m.clientsOf[c.user], c)
	m.trimmer.churn.Add(1)
	m.connections.Add(1)
	return 0, ""
}

// removeClient ends a client whose reader has returned.
func (m *Manager) removeClient(c *Client) {
	c.finish()
	m.quotas.Release(time.Now(), c.addrQuota, c.userQuota)
	m.mu.Lock()
	delete(m.clients, c)
	m.clientsOf[c.user] = slices.DeleteFunc(m.clientsOf[c.user], func(other *Client) bool { return other == c })
	if len(m.clientsOf[c.user]) == 0 {
		delete(m.clientsOf, c.user)
	}
	m.mu.Unlock()
	m.trimmer.churn.Add(1)
	m.connections.Done()
}
