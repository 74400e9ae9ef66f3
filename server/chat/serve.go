package chat

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gorilla/websocket"

	"websockets/server/auth"
	"websockets/server/quota"
	"websockets/server/wsframe"
	"websockets/shared"
)

// ServeWS upgrades a request to a connection. It returns when the connection has
// been handed to its own goroutine.
func (m *Manager) ServeWS(w http.ResponseWriter, r *http.Request) {
	if m.isClosing() {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "the server is stopping", http.StatusServiceUnavailable)
		return
	}
	select {
	case m.greetings <- struct{}{}:
		defer func() { <-m.greetings }()
	case <-r.Context().Done():
		return
	}
	from := quota.AddressOf(r.RemoteAddr)
	addrQuota, err := m.quotas.AcquireAddress(from, time.Now())
	if err != nil {
		refuse(w, err)
		return
	}
	upgraded := false
	defer func() {
		if !upgraded {
			m.quotas.Release(time.Now(), addrQuota)
		}
	}()
	session, ok := m.authenticateRequest(w, r)
	if !ok {
		return
	}
	var header http.Header
	if session.IsNew {
		header = http.Header{"Set-Cookie": {auth.Cookie(session, r).String()}}
	}
	var name string
	var named bool
	if session.User != "" {
		if name, named, err = m.nameOf(r.Context(), session); err != nil {
			m.respondStoreUnavailable(w, err)
			return
		}
	}
	conn, err := m.upgrader.Upgrade(w, r, header)
	if err != nil {
		m.log.Debug("upgrade refused", "err", err, "from", r.RemoteAddr)
		return
	}
	upgraded = true // from here on who ends the connection counts it out
	query := r.URL.Query()
	first := firstRoom{from: from, addrQuota: addrQuota, name: query.Get("room"), after: query.Get("after")}
	if r.Header.Get("Origin") != "" {
		session.Token = "" // a browser has its cookie, which no script can read
	}
	if session.User == "" {
		m.startAuthentication(conn, first)
		return
	}
	m.start(conn, session, name, named, first)
}

// refuse answers a request that would exceed a quota.
func refuse(w http.ResponseWriter, err error) {
	var refusal *quota.Refusal
	if errors.As(err, &refusal) {
		w.Header().Set("Retry-After", strconv.Itoa(int(refusal.RetryAfter.Seconds())))
	}
	http.Error(w, err.Error(), http.StatusTooManyRequests)
}

// start makes a connection a client, greets it and lets its reader run.
func (m *Manager) start(conn *websocket.Conn, session auth.Session, name string, named bool, first firstRoom) {
	c := m.newClient(conn, session, name, first)
	if c == nil {
		return
	}
	c.greet(session, named, first) // not on the reader, whose stack it would make large for good
	m.run(c)
}

// newClient makes a connection a client, or closes it and returns nil.
func (m *Manager) newClient(conn *websocket.Conn, session auth.Session, name string, first firstRoom) *Client {
	c := &Client{manager: m, conn: conn, out: m.pool.NewConn(conn.NetConn()), user: session.User}
	c.number, c.from = m.numbers.Add(1), first.from.Addr().String()
	c.session.Store(&session)
	c.name.Store(&name)
	userQuota, err := m.quotas.AcquireUser(c.user, time.Now())
	if err != nil {
		m.quotas.Release(time.Now(), first.addrQuota)
		tooMany := websocket.FormatCloseMessage(shared.CloseTryLater, err.Error())
		_ = conn.WriteControl(websocket.CloseMessage, tooMany, time.Now().Add(flushTimeout))
		_ = conn.Close()
		return nil
	}
	c.addrQuota, c.userQuota = first.addrQuota, userQuota
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
		if code == websocket.CloseNoStatusReceived {
			code = shared.CloseNormal
		}
		c.out.Close(code, "")
		return nil
	})
	if !m.addClient(c) {
		restart := websocket.FormatCloseMessage(shared.CloseRestart, "the server restarts")
		_ = conn.WriteControl(websocket.CloseMessage, restart, time.Now().Add(flushTimeout))
		_ = conn.Close()
		m.quotas.Release(time.Now(), c.addrQuota, c.userQuota)
		return nil
	}
	return c
}

// run lets the client's reader run, and takes the client down when it has ended.
func (m *Manager) run(c *Client) {
	go func() {
		c.readMessages()
		m.removeClient(c)
	}()
}

// begin counts in what Shutdown is to wait for, or reports false when it is too
// late.
func (m *Manager) begin() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closing {
		m.wg.Add(1)
	}
	return !m.closing
}

func (m *Manager) addClient(c *Client) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closing {
		return false
	}
	m.clients[c] = struct{}{}
	m.clientsOf[c.user] = append(m.clientsOf[c.user], c)
	m.trimmer.churn.Add(1)
	m.connections.Add(1)
	return true
}

// removeClient takes a client down whose reader has ended.
func (m *Manager) removeClient(c *Client) {
	c.end()
	m.quotas.Release(time.Now(), c.addrQuota, c.userQuota)
	m.mu.Lock()
	delete(m.clients, c)
	m.clientsOf[c.user] = without(m.clientsOf[c.user], c)
	if len(m.clientsOf[c.user]) == 0 {
		delete(m.clientsOf, c.user)
	}
	m.mu.Unlock()
	m.trimmer.churn.Add(1)
	m.connections.Done()
}
