package memlog

// AddKey adds a key to the table as if it had the hash of the record at seq.
func (l *Log) AddKey(seq uint64, key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys.Add(seq, key)
}
