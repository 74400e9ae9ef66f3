package bench

import (
	"sort"
	"time"
)

// dueAt returns when the k-th message of all senders is due.
func (r *run) dueAt(k int64) time.Duration {
	return r.start + time.Duration(float64(k)/r.Rate*float64(time.Second))
}

// dueInAll returns how many messages are due in a load of full length.
func (r *run) dueInAll() int64 {
	most := int(r.Duration.Seconds()*r.Rate) + 2
	return int64(sort.Search(most, func(k int) bool { return r.dueAt(int64(k)) >= r.start+r.Duration }))
}

// pace notifies the senders in turn that a message is due. It keeps the rate even if
// earlier messages are still in flight, like people who do not wait for each other.
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
		s.wakeUp()
	}
}

// longestSleep bounds how late pace notices the end of the load.
const longestSleep = 50 * time.Millisecond
