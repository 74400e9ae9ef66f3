package bench

// maxMissing is how many missing messages a member remembers one by one, to
// recognise them when they come late. Beyond it they are only counted.
const maxMissing = 10_000

// place is a message within its room: which of the room's senders, and its number.
type place struct {
	sender int
	number uint32
}

// order holds what a member is sent against what must be: sequences that grow and
// each sender's numbers without a gap. Owned by the member's reader.
type order struct {
	last    uint64   // the highest sequence
	next    []uint32 // by sender of the room
	missing map[place]struct{}
	beyond  int // missing that are not in the map

	doubled, misordered int
}

// take notes a message. first is how many messages of its sender are seen to for
// the first time: none when it is a double or comes late, one if all is well, and
// more when the ones just before it are missing.
func (o *order) take(p place, seq uint64) (first uint32) {
	grows := seq > o.last
	o.last = max(o.last, seq)
	next := o.next[p.sender]
	if p.number < next {
		if _, late := o.missing[p]; late {
			delete(o.missing, p)
			o.misordered++
		} else {
			o.doubled++
		}
		return 0
	}
	if !grows {
		o.misordered++
	}
	for n := next; n < p.number; n++ {
		if len(o.missing) >= maxMissing {
			o.beyond++
			continue
		}
		if o.missing == nil {
			o.missing = map[place]struct{}{}
		}
		o.missing[place{p.sender, n}] = struct{}{}
	}
	o.next[p.sender] = p.number + 1
	return p.number + 1 - next
}

// lost counts what has not come, up to sent messages of a sender, but for those
// that need not: they were never acked.
func (o *order) lost(sender int, sent uint32, unacked map[uint32]bool) (n int) {
	for p := range o.missing {
		if p.sender == sender && !unacked[p.number] {
			n++
		}
	}
	for number := o.next[sender]; number < sent; number++ {
		if !unacked[number] {
			n++
		}
	}
	return n
}
