package chat

import "sync/atomic"

// trimAfter is how many connections have to come or go before memory is trimmed.
const trimAfter = 1000

// memoryTrimmer notices when a burst of connections has come or gone and is over. The
// memory that it took to accept them, or to let them catch up, is to be returned to the
// operating system then: by itself the runtime keeps up to twice what is in use, for
// minutes.
type memoryTrimmer struct {
	churn atomic.Int64 // connections that have come, and that have gone, so far

	// Owned by the tick loop: the churn at the last trim, and at the last tick.
	atTrim, atTick int64
}

// isDue reports whether to trim now. Ask it once a tick.
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
