//go:build !linux

package bench

import "time"

// alarm sleeps with the precision of Go's timers.
type alarm struct{}

func newAlarm() alarm { return alarm{} }

func (alarm) sleep(d time.Duration) { time.Sleep(d) }

func (alarm) close() {}
