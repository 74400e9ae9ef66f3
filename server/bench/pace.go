package bench

import (
	"sort"
	"time"
)

// dueAt is when the k-th message of all is due, since the run began.
func (r *run) dueAt(k int64) time.Duration {
	return r.start + time.Duration(float64(k)/r.Rate*float64(time.Second))
}

// dueInAll is how many messages are due before the end of a load that is not ended
// early.
func (r *run) dueInAll() int64 {
	most := int(r.Duration.Seconds()*r.Rate) + 2
	return int64(sort.Search(most, func(k int) bool { return r.dueAt(int64(k)) >= r.start+r.Duration }))
}

// pace tells the senders in turn that a message is due, at the rate, whatever
// becomes of the ones before: the load is that of people who do not know of each
// other.
func (r *run) pace() {
	alarm := newAlarm()
	defer alarm.close()
	for k, all := int64(0), r.dueInAll(); k < all; k++ {
		due := r.dueAt(k)
		for wait := due - r.now(); wait > 0; wait = due - r.now() {
			alarm.sleep(min(wait, longestSleep))
			if r.load.Err() != nil {
				return
			}
		}
		s := r.senders[k%int64(len(r.senders))]
		s.due.Add(1)
		s.poke()
	}
}

// longestSleep is how late the pace may notice that the load has ended.
const longestSleep = 50 * time.Millisecond
