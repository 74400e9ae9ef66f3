package main

import (
	"syscall/js"
	"time"

	"websockets/wasm/view"
)

// clock says times as the reader's own region does. The browser knows the
// reader's language and the zone's summer time; Go in a browser knows neither.
type clock struct {
	hour, day, moment, full js.Value // Intl.DateTimeFormat
	// days keeps the names of days by the quarter of an hour: no zone has a border
	// between two days elsewhere, and asking the browser for each row is slow.
	days  map[int64]string
	names view.Clock
}

func newClock() *clock {
	format := func(options map[string]any) js.Value {
		return window.Get("Intl").Get("DateTimeFormat").New(js.Undefined(), options)
	}
	c := &clock{
		hour:   format(map[string]any{"hour": "2-digit", "minute": "2-digit"}),
		day:    format(map[string]any{"weekday": "long", "day": "numeric", "month": "long", "year": "numeric"}),
		days:   make(map[int64]string),
		moment: format(map[string]any{"dateStyle": "medium", "timeStyle": "short"}),
		full:   format(map[string]any{"dateStyle": "full", "timeStyle": "long"}),
	}
	c.names = view.Clock{Day: c.dayOf, Moment: func(t time.Time) string { return formatTime(c.moment, t) }}
	return c
}

func formatTime(format js.Value, t time.Time) string {
	return format.Call("format", t.UnixMilli()).String()
}

func (c *clock) hourOf(t time.Time) string { return formatTime(c.hour, t) }

// dayOf names the day with its year, so it also tells days from each other.
func (c *clock) dayOf(t time.Time) string {
	quarter := t.Unix() / (15 * 60)
	name, ok := c.days[quarter]
	if !ok {
		name = formatTime(c.day, t)
		c.days[quarter] = name
	}
	return name
}

// fullOf names the moment with its zone.
func (c *clock) fullOf(t time.Time) string { return formatTime(c.full, t) }
