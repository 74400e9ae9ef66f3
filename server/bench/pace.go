package bench

import "time"

// dueAt is when the k-th message of all is due, since the run began.
func (r *run) dueAt(k int64) time.Duration {
	return r.start + time.Duration(float64(k)/r.Rate*float64(time.Second))
}

// pace tells the senders in turn that a message is due, at the rate, whatever
// becomes of the ones before: the load is that of people who do not know of each
// other.
func (r *run) pace() {
	alarm := newAlarm()
	defer alarm.close()
	for k := int64(0); ; k++ {
		due := r.dueAt(k)
		if due >= r.start+r.Duration {
			return
		}
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
