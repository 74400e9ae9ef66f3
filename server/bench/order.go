package bench

// maxMissing bounds the missing messages that a member remembers, to recognize late
// ones. Further missing messages are only counted.
const maxMissing = 10_000

// place identifies a message in its room: the index of its sender, and its number.
type place struct {
	sender int
	number uint32
}

// order checks the deliveries to one member: sequences must increase, and each
// sender's numbers must have no gap. Owned by the member's reader.
type order struct {
	last    uint64   // the highest sequence
	next    []uint32 // the next number, by sender
	missing map[place]struct{}
	beyond  int // missing messages that are not in the map

	doubled, misordered int
}

// take records a delivery. It returns how many messages of the sender are now
// accounted for that were not before: 0 for a duplicate or a late one, 1 normally, and
// more if messages before this one are missing.
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

// lost counts the missing messages among the first sent of a sender. Messages without
// an ack do not count.
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
