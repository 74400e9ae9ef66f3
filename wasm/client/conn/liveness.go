package conn

import (
	"time"

	"websockets/shared"
)

const (
	// defaultHeartbeat is assumed when welcome does not name one.
	defaultHeartbeat = 25 * time.Second
	// Grace is how much longer than the heartbeat the server may be silent, and how
	// long it has to answer a ping.
	Grace = 10 * time.Second
	// RecentActivity is how recently a frame must have arrived for CheckNow to trust
	// the connection without a ping.
	RecentActivity = time.Second
	// AckTimeout is how long an answer may take while nothing else arrives, and
	// MaxAckTimeout how long while other frames do.
	AckTimeout    = 10 * time.Second
	MaxAckTimeout = 3 * AckTimeout
)

var (
	errSilent = &CloseError{Code: shared.CloseSilent, Reason: "nothing was received from the server"}
	errNoAck  = &CloseError{Code: shared.CloseSilent, Reason: "the server does not answer"}
)

// liveness decides whether the server is still there. It sends one ping after a
// silence, or when an answer is late while nothing else arrives; silence after the
// ping is the end. A silence alone does not prove anything: after a night's sleep
// the timer fires before the frames that have arrived are read.
//
// There is one liveness for each connection. It is guarded by Supervisor.mu.
type liveness struct {
	heartbeat    time.Duration // the server is never silent for longer; 0 before welcome
	lastReceived time.Time
	pingedAt     time.Time // when a ping was sent that nothing has followed; else zero
}

func (l *liveness) received(now time.Time) {
	l.lastReceived, l.pingedAt = now, time.Time{}
}

// check asks wakeAt to be called again in time. unanswered is when the oldest
// question was asked that has no answer, or zero. suspect says that the network may
// have changed. ping asks for a ping to be sent; an error means that the connection
// is dead.
func (l *liveness) check(now, unanswered time.Time, suspect bool, wakeAt func(time.Time)) (ping bool, err error) {
	if l.awaitsPong() {
		pongDue := l.pingedAt.Add(Grace)
		if !now.Before(pongDue) {
			return false, errSilent
		}
		wakeAt(pongDue)
		return false, nil
	}
	pingDue := l.lastReceived.Add(l.heartbeat + Grace)
	if !unanswered.IsZero() {
		ackDue := unanswered.Add(MaxAckTimeout)
		if !now.Before(ackDue) {
			return false, errNoAck
		}
		wakeAt(ackDue)
		late := later(unanswered, l.lastReceived).Add(AckTimeout)
		if late.Before(pingDue) {
			pingDue = late
		}
	}
	// By the wall clock: the monotonic one stands still while the machine sleeps.
	if suspect && now.Round(0).Sub(l.lastReceived.Round(0)) >= RecentActivity {
		pingDue = now
	}
	if now.Before(pingDue) {
		wakeAt(pingDue)
		return false, nil
	}
	l.pingedAt = now
	wakeAt(now.Add(Grace))
	return true, nil
}

// awaitsPong reports whether nothing has been received since a ping was sent.
func (l *liveness) awaitsPong() bool { return !l.pingedAt.IsZero() }

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
