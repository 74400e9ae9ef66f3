package main

import (
	"syscall/js"
	"time"

	"websockets/wasm/view"
)

// clock formats times in the reader's language and time zone. Go in a browser knows
// neither the language nor daylight saving time, so it asks the browser.
type clock struct {
	hour, day, moment, full js.Value // Intl.DateTimeFormat
	// days caches the names of days by quarter hour, because formatting each row is
	// slow. In every time zone, a day begins at a full quarter hour.
	days  map[int64]string
	names view.Clock
}

func newClock() *clock {
	format := func(options map[string]any) (format js.Value) {
		kind := window.Get("Intl").Get("DateTimeFormat")
		if try(func() { format = kind.New(js.Undefined(), options) }) != nil {
			return kind.New("en", options) // a system's language may be none that the browser knows
		}
		return format
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

// dayOf returns the date with its year. Different days have different names.
func (c *clock) dayOf(t time.Time) string {
	quarter := t.Unix() / (15 * 60)
	name, ok := c.days[quarter]
	if !ok {
		name = formatTime(c.day, t)
		c.days[quarter] = name
	}
	return name
}

// fullOf returns the full date and time with the zone.
func (c *clock) fullOf(t time.Time) string { return formatTime(c.full, t) }
