package client

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"websockets/shared"
	"websockets/wasm/client/conn"
)

func TestReconnectsWithFullJitter(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, func(h *harness, _ *Config) { h.refuse = errors.New("no route") })
		time.Sleep(time.Hour)
		synctest.Wait()
		h.mu.Lock()
		dialed := h.dialed
		h.mu.Unlock()

		limit, short, sum, n := conn.MinBackoff, 0, time.Duration(0), 0
		for i := 1; i < len(dialed); i++ {
			wait := dialed[i].Sub(dialed[i-1])
			if wait < 0 || wait > limit {
				t.Fatalf("wait before attempt %d: got %v, want at most %v", i, wait, limit)
			}
			if limit == conn.MaxBackoff {
				n, sum = n+1, sum+wait
				if wait < conn.MaxBackoff/4 {
					short++
				}
			}
			limit = min(2*limit, conn.MaxBackoff)
		}
		// Over an hour about 360 waits of 0 to 20 s: their mean is 10 s within ±2 s
		// (7 standard errors), and about a quarter are short.
		mean := sum / time.Duration(max(n, 1))
		if n < 200 || mean < 8*time.Second || mean > 12*time.Second || short < n/10 {
			t.Errorf("long waits: got %d with a mean of %v, %d of them short, want at least 200, 8s to 12s, and a tenth of them", n, mean, short)
		}
	})
}

func TestBackoffIsResetByASyncedConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, func(h *harness, _ *Config) { h.refuse = errors.New("no route") })
		time.Sleep(10 * time.Minute)
		h.mu.Lock()
		h.refuse = nil
		h.mu.Unlock()
		h.accept().drop() // connected, but never synced
		synctest.Wait()
		attempts := h.Client.conn.Status().Attempts
		if attempts < 10 {
			t.Errorf("attempts counted after a connection that was not synced: got %d, want at least 10", attempts)
		}
		p := h.connect()
		broken := time.Now()
		p.drop()
		h.accept()
		if wait := time.Since(broken); wait > conn.MinBackoff {
			t.Errorf("wait after a synced connection broke: got %v, want at most %v", wait, conn.MinBackoff)
		}
	})
}

// What the server says when it does not let us in stays in the View until we are in, or
// until something else ends an attempt.
func TestViewHasTheServersRefusal(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		want := func(when, refusal string, state State) {
			t.Helper()
			synctest.Wait()
			if v := h.View(); v.Refusal != refusal || v.State != state {
				t.Errorf("%s: got %s with the refusal %q, want %s with %q", when, v.State, v.Refusal, state, refusal)
			}
		}
		h.accept().shut(shared.CloseTryLater, "too many tabs")
		want("after a close frame", "too many tabs", Offline)
		p := h.accept()
		want("at the next attempt", "too many tabs", Connecting)
		p.drop()
		want("after a broken connection", "", Offline)
		h.mu.Lock()
		h.refuse = &conn.RefusedError{Reason: "not from there"}
		h.mu.Unlock()
		time.Sleep(conn.MaxBackoff)
		want("after a refused attempt", "not from there", Offline)
		h.mu.Lock()
		h.refuse = nil
		h.mu.Unlock()
		p = h.connect()
		want("connected", "", Online)
		p.shut(shared.CloseRestart, "the server restarts")
		want("after a restart", "", Offline)
	})
}

func TestOfflineShowsNextAttempt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, func(h *harness, _ *Config) { h.refuse = errors.New("no route") })
		synctest.Wait()
		v := h.View()
		if v.State != Offline || v.Reason != "no route" || v.Retry.Before(time.Now()) || v.Since.IsZero() {
			t.Errorf("view: got %s (%s) since %v, next attempt %v, want %s (no route) and both times", v.State, v.Reason, v.Since, v.Retry, Offline)
		}
		time.Sleep(time.Until(v.Retry))
		synctest.Wait()
		h.mu.Lock()
		defer h.mu.Unlock()
		if len(h.dialed) != 2 || !h.dialed[1].Equal(v.Retry) {
			t.Errorf("attempts: got %v, want two, the second at %v", h.dialed, v.Retry)
		}
	})
}

func TestCheckNowConnectsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, func(h *harness, _ *Config) { h.refuse = errors.New("no route") })
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		h.mu.Lock()
		h.refuse = nil
		h.mu.Unlock()
		checked := time.Now()
		h.CheckNow()
		h.accept()
		if wait := time.Since(checked); wait != 0 {
			t.Errorf("wait after CheckNow: got %v, want 0", wait)
		}
	})
}

func TestCheckNowDuringAnAttempt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var attempts atomic.Int64
		h := start(t, func(_ *harness, c *Config) {
			c.Dial = func(context.Context, string, string) (Conn, error) {
				attempts.Add(1)
				time.Sleep(10 * time.Millisecond)
				return nil, errors.New("no")
			}
		})
		time.Sleep(10 * time.Minute)
		for n := attempts.Load(); attempts.Load() == n; {
			time.Sleep(time.Millisecond)
		}
		h.CheckNow()
		n := attempts.Load()
		time.Sleep(50 * time.Millisecond)
		if attempts.Load() == n {
			t.Error("attempts after the one that failed: got none, want one")
		}
	})
}

func TestClosingDelaysReconnect(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		told := time.Now()
		reply(p, shared.Closing, "", shared.ClosingPayload{Reason: "restart", RetryAfter: 7})
		p.shut(shared.CloseRestart, "restart")
		synctest.Wait()
		h.CheckNow()
		p = h.accept()
		if wait := time.Since(told); wait < 7*time.Second || wait > 7*time.Second+conn.MinBackoff {
			t.Errorf("wait after closing: got %v, want 7s to %v", wait, 7*time.Second+conn.MinBackoff)
		}
		// RetryAfter holds for one reconnect only.
		p.welcome("general", shared.StateCurrent, at(0))
		synctest.Wait()
		p.drop()
		told = time.Now()
		h.accept()
		if wait := time.Since(told); wait > conn.MinBackoff {
			t.Errorf("wait after a drop: got %v, want at most %v", wait, conn.MinBackoff)
		}
	})
}

func TestCloseCodes(t *testing.T) {
	for _, test := range []struct {
		code  int
		final bool
	}{
		{1000, false}, {1001, false}, {1011, false}, {1012, false}, {1013, false}, {3000, false}, {4000, false}, {4499, false},
		{1002, true}, {1003, true}, {1007, true}, {1008, true}, {1009, true}, {3500, true}, {4500, true},
	} {
		bubble(t, func(t *testing.T) {
			h := start(t)
			h.connect().shut(test.code, "because")
			if !test.final {
				h.accept()
				return
			}
			err := <-h.ended
			var closed *CloseError
			if !errors.As(err, &closed) || closed.Code != test.code || closed.Reason != "because" {
				t.Errorf("code %d: Run: got %v, want a CloseError with the code and the reason", test.code, err)
			}
			if v := h.View(); v.State != Ended || v.Reason != err.Error() || v.Code != test.code {
				t.Errorf("code %d: view: got %s (%s), code %d, want %s (%v)", test.code, v.State, v.Reason, v.Code, Ended, err)
			}
		})
	}
}

func TestRunEndsWithContextAndRestarts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		if err := h.Run(context.Background()); err != ErrRunning {
			t.Errorf("second Run: got %v, want %v", err, ErrRunning)
		}
		h.cancel()
		if err := <-h.ended; err != context.Canceled {
			t.Errorf("Run: got %v, want %v", err, context.Canceled)
		}
		if p.byClient == nil || p.byClient.Code != shared.CloseNormal {
			t.Errorf("close of the connection: got %v, want code %d", p.byClient, shared.CloseNormal)
		}
		id := h.send("still there")
		ctx, cancel := context.WithCancel(t.Context())
		go func() { h.ended <- h.Run(ctx) }()
		p = h.accept()
		p.welcome("general", shared.StateCurrent, at(0))
		if got, _ := expect(p, shared.SendMessage); got != id {
			t.Errorf("sent: got %s, want %s", got, id)
		}
		cancel()
		<-h.ended
	})
}

func TestSilentServerIsPingedOnceThenClosed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		began := time.Now()
		id, _ := expect(p, shared.Ping)
		if wait := time.Since(began); wait != 35*time.Second {
			t.Errorf("wait for the ping: got %v, want the heartbeat and 10s", wait)
		}
		reply(p, shared.Pong, id, shared.Empty{})
		synctest.Wait()

		began = time.Now()
		expect(p, shared.Ping)
		next := h.accept() // nothing came after the ping
		if wait := time.Since(began); wait < 45*time.Second || wait > 45*time.Second+conn.MinBackoff {
			t.Errorf("silence until the connection was given up: got %v, want 45s to %v", wait, 45*time.Second+conn.MinBackoff)
		}
		p.quiet() // one ping
		if p.byClient == nil || p.byClient.Code != shared.CloseSilent {
			t.Errorf("close of the connection: got %v, want code %d", p.byClient, shared.CloseSilent)
		}
		if after := next.after(); after == nil || *after != at(0) {
			t.Errorf("cursor of the next connection: got %v, want %v", after, at(0))
		}
	})
}

// A callback that takes long is not the server's silence: what arrived meanwhile
// counts.
func TestSlowCallbackIsNotSilence(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, func(_ *harness, c *Config) {
			c.OnFrame = func(f Frame) {
				if f.Sent { // the ping
					time.Sleep(2 * conn.Grace)
				}
			}
		})
		p := h.connect()
		for range 20 {
			id, _ := expect(p, shared.Ping)
			reply(p, shared.Pong, id, shared.Empty{})
		}
		if len(h.dials) > 0 || p.byClient != nil {
			t.Error("connection that answered: got it given up, want it kept")
		}
	})
}

func TestPingAfterSleep(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		time.Sleep(conn.RecentActivity / 2)
		h.CheckNow()
		p.quiet() // heard a moment ago
		time.Sleep(5 * time.Second)
		h.CheckNow()
		h.CheckNow()
		synctest.Wait()
		if len(p.toServer) != 1 {
			t.Fatalf("pings after CheckNow on a connection that was silent for 5 s: got %d, want 1", len(p.toServer))
		}
		expect(p, shared.Ping)
	})
}

func TestWelcomeTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		began := time.Now()
		expect(h.accept(), shared.Ping)
		h.accept()
		if wait := time.Since(began); wait > 20*time.Second+conn.MinBackoff {
			t.Errorf("wait for a welcome: got %v, want at most %v", wait, 20*time.Second+conn.MinBackoff)
		}
	})
}

func TestLateAckCausesPing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		began := time.Now()
		id := h.send("hello")
		expect(p, shared.SendMessage)
		expect(p, shared.Ping)
		if wait := time.Since(began); wait != conn.AckTimeout {
			t.Errorf("wait for the ping: got %v, want %v", wait, conn.AckTimeout)
		}
		next := h.accept()
		if wait := time.Since(began); wait < 20*time.Second || wait > 20*time.Second+conn.MinBackoff {
			t.Errorf("wait until the connection was given up: got %v, want 20s to %v", wait, 20*time.Second+conn.MinBackoff)
		}
		p.quiet() // nothing was resent on it
		next.welcome("general", shared.StateCurrent, at(0))
		if got, _ := expect(next, shared.SendMessage); got != id {
			t.Errorf("resent: got %s, want %s", got, id)
		}
	})
}

func TestMissingAckDespiteOtherTraffic(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		began := time.Now()
		h.send("hello")
		for seq := uint64(1); ; seq++ {
			time.Sleep(5 * time.Second)
			if len(h.dials) > 0 {
				break
			}
			p.message("general", seq, "you", "x")
			if seq > 100 {
				t.Fatal("connection without the ack: got it kept, want it given up")
			}
		}
		if wait := time.Since(began); wait < conn.MaxAckTimeout || wait > conn.MaxAckTimeout+6*time.Second {
			t.Errorf("wait for the ack: got %v, want %v to %v", wait, conn.MaxAckTimeout, conn.MaxAckTimeout+6*time.Second)
		}
	})
}
