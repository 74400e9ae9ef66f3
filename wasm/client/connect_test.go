package client

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"websockets/shared"
)

func TestReconnectsWithFullJitter(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, func(h *harness, _ *Config) { h.refuse = errors.New("no route") })
		time.Sleep(time.Hour)
		synctest.Wait()
		h.mu.Lock()
		dialed := h.dialed
		h.mu.Unlock()

		limit, short, sum, n := firstRetry, 0, time.Duration(0), 0
		for i := 1; i < len(dialed); i++ {
			wait := dialed[i].Sub(dialed[i-1])
			if wait < 0 || wait > limit {
				t.Fatalf("attempt %d came after %v, want at most %v", i, wait, limit)
			}
			if limit == maxRetry {
				n, sum = n+1, sum+wait
				if wait < maxRetry/4 {
					short++
				}
			}
			limit = min(2*limit, maxRetry)
		}
		// Over an hour about 360 waits of 0 to 20 s: their mean is 10 s within ±2 s
		// (7 standard errors), and about a quarter are short.
		mean := sum / time.Duration(max(n, 1))
		if n < 200 || mean < 8*time.Second || mean > 12*time.Second || short < n/10 {
			t.Errorf("%d long waits with a mean of %v, %d of them short: this is not full jitter", n, mean, short)
		}
	})
}

func TestBackoffStartsAnewAfterASyncedConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, func(h *harness, _ *Config) { h.refuse = errors.New("no route") })
		time.Sleep(10 * time.Minute)
		h.mu.Lock()
		h.refuse = nil
		h.mu.Unlock()
		h.accept().drop() // connected, but never synced
		synctest.Wait()
		h.Client.mu.Lock()
		attempts := h.attempt
		h.Client.mu.Unlock()
		if attempts < 10 {
			t.Errorf("%d attempts are counted after a connection that was not synced", attempts)
		}
		p := h.connect()
		broken := time.Now()
		p.drop()
		h.accept()
		if wait := time.Since(broken); wait > firstRetry {
			t.Errorf("reconnected %v after a synced connection broke, want at most %v", wait, firstRetry)
		}
	})
}

func TestOfflineSaysWhen(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, func(h *harness, _ *Config) { h.refuse = errors.New("no route") })
		synctest.Wait()
		v := h.View()
		if v.State != Offline || v.Reason != "no route" || v.Retry.Before(time.Now()) || v.Since.IsZero() {
			t.Errorf("the view is %s (%s), next attempt %v", v.State, v.Reason, v.Retry)
		}
		time.Sleep(time.Until(v.Retry))
		synctest.Wait()
		h.mu.Lock()
		defer h.mu.Unlock()
		if len(h.dialed) != 2 || !h.dialed[1].Equal(v.Retry) {
			t.Errorf("the attempts were at %v, the second one announced for %v", h.dialed, v.Retry)
		}
	})
}

func TestWakeConnectsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, func(h *harness, _ *Config) { h.refuse = errors.New("no route") })
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		h.mu.Lock()
		h.refuse = nil
		h.mu.Unlock()
		woken := time.Now()
		h.Wake()
		h.accept()
		if wait := time.Since(woken); wait != 0 {
			t.Errorf("connected %v after Wake", wait)
		}
	})
}

func TestWakeDuringAnAttempt(t *testing.T) {
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
		h.Wake()
		n := attempts.Load()
		time.Sleep(50 * time.Millisecond)
		if attempts.Load() == n {
			t.Error("no attempt after the one that failed")
		}
	})
}

func TestClosingIsHeeded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		told := time.Now()
		reply(p, shared.Closing, "", shared.ClosingPayload{Reason: "restart", RetryAfter: 7})
		p.shut(shared.CloseRestart, "restart")
		synctest.Wait()
		h.Wake()
		p = h.accept()
		if wait := time.Since(told); wait < 7*time.Second || wait > 7*time.Second+firstRetry {
			t.Errorf("came back after %v, want 7 s and no more than %v", wait, firstRetry)
		}
		// The wish was for that time only.
		p.welcome("general", shared.StateCurrent, at(0))
		synctest.Wait()
		p.drop()
		told = time.Now()
		h.accept()
		if wait := time.Since(told); wait > firstRetry {
			t.Errorf("came back after %v", wait)
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
				t.Errorf("code %d: Run returned %v", test.code, err)
			}
			if v := h.View(); v.State != Ended || v.Reason != err.Error() || v.Code != test.code {
				t.Errorf("code %d: the view is %s (%s)", test.code, v.State, v.Reason)
			}
		})
	}
}

func TestRunEndsWithItsContextAndRunsAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		if err := h.Run(context.Background()); err != ErrRunning {
			t.Errorf("a second Run returned %v", err)
		}
		h.cancel()
		if err := <-h.ended; err != context.Canceled {
			t.Errorf("Run returned %v", err)
		}
		if p.byClient == nil || p.byClient.Code != shared.CloseNormal {
			t.Errorf("the connection was closed with %v, want 1000", p.byClient)
		}
		id := h.send("still there")
		ctx, cancel := context.WithCancel(t.Context())
		go func() { h.ended <- h.Run(ctx) }()
		p = h.accept()
		p.welcome("general", shared.StateCurrent, at(0))
		if got, _ := expect(p, shared.SendMessage); got != id {
			t.Errorf("sent %s, want %s", got, id)
		}
		cancel()
		<-h.ended
	})
}

func TestSilenceIsAnsweredWithOnePingThenTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		began := time.Now()
		id, _ := expect(p, shared.Ping)
		if wait := time.Since(began); wait != 35*time.Second {
			t.Errorf("the ping came after %v, want heartbeat and 10 s", wait)
		}
		reply(p, shared.Pong, id, shared.Empty{})
		synctest.Wait()

		began = time.Now()
		expect(p, shared.Ping)
		next := h.accept() // nothing came after the ping
		if wait := time.Since(began); wait < 45*time.Second || wait > 45*time.Second+firstRetry {
			t.Errorf("the silent connection was given up after %v", wait)
		}
		p.quiet() // one ping
		if p.byClient == nil || p.byClient.Code != shared.CloseSilent {
			t.Errorf("it was closed with %v, want %d", p.byClient, shared.CloseSilent)
		}
		if after := next.after(); after == nil || *after != at(0) {
			t.Errorf("the client came back after %v, want %v", after, at(0))
		}
	})
}

// A callback that takes long is not the server's silence: what arrived meanwhile
// counts.
func TestASlowCallbackIsNotSilence(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, func(_ *harness, c *Config) {
			c.OnFrame = func(f Frame) {
				if f.Sent { // the ping
					time.Sleep(2 * grace)
				}
			}
		})
		p := h.connect()
		for range 20 {
			id, _ := expect(p, shared.Ping)
			reply(p, shared.Pong, id, shared.Empty{})
		}
		if len(h.dials) > 0 || p.byClient != nil {
			t.Error("a connection that answered was given up")
		}
	})
}

func TestASleeperPingsWhenItWakes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		time.Sleep(justHeard / 2)
		h.Wake()
		p.quiet() // heard a moment ago
		time.Sleep(5 * time.Second)
		h.Wake()
		h.Wake()
		synctest.Wait()
		if len(p.toServer) != 1 {
			t.Fatalf("%d pings after Wake on a connection that was silent for 5 s", len(p.toServer))
		}
		expect(p, shared.Ping)
	})
}

func TestAWelcomeThatDoesNotCome(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		began := time.Now()
		expect(h.accept(), shared.Ping)
		h.accept()
		if wait := time.Since(began); wait > 20*time.Second+firstRetry {
			t.Errorf("waited %v for a welcome", wait)
		}
	})
}

func TestALateAckMakesTheConnectionSuspect(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t)
		p := h.connect()
		began := time.Now()
		id := h.send("hello")
		expect(p, shared.SendMessage)
		expect(p, shared.Ping)
		if wait := time.Since(began); wait != ackTimeout {
			t.Errorf("the ping came after %v, want %v", wait, ackTimeout)
		}
		next := h.accept()
		if wait := time.Since(began); wait < 20*time.Second || wait > 20*time.Second+firstRetry {
			t.Errorf("the connection was given up after %v", wait)
		}
		p.quiet() // nothing was resent on it
		next.welcome("general", shared.StateCurrent, at(0))
		if got, _ := expect(next, shared.SendMessage); got != id {
			t.Errorf("resent %s, want %s", got, id)
		}
	})
}

func TestAnAckThatNeverComesAmongOtherTraffic(t *testing.T) {
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
				t.Fatal("the client waits for ever for its ack")
			}
		}
		if wait := time.Since(began); wait < lateAck || wait > lateAck+6*time.Second {
			t.Errorf("gave up after %v, want %v", wait, lateAck)
		}
	})
}
