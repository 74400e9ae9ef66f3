package chat

import "sync/atomic"

// trimAfter is how many connections have to open or close before memory is trimmed.
const trimAfter = 1000

// memoryTrimmer notices the end of a burst of connections that opened or closed. Then
// the memory that they needed to connect and catch up is to be returned to the operating
// system: by itself the runtime keeps up to twice what is in use, for minutes.
type memoryTrimmer struct {
	churn atomic.Int64 // connections that opened so far, plus those that closed

	// Owned by the tick loop: the churn at the last trim, and at the last tick.
	atTrim, atTick int64
}

// isDue reports whether to trim now. Call it once a tick.
func (t *memoryTrimmer) isDue() bool {
	churn := t.churn.Load()
	sinceTrim, sinceTick := churn-t.atTrim, churn-t.atTick
	t.atTick = churn
	if sinceTrim < trimAfter || sinceTick > sinceTrim/100 {
		return false
	}
	t.atTrim = churn
	return true
}
