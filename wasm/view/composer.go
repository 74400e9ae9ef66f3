package view

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"websockets/shared"
	"websockets/wasm/client"
)

// quietFor is how long after losing the connection the hint stays empty for a reader
// who types nothing.
const quietFor = 5 * time.Second

// Hint is the line below the composer.
type Hint struct {
	Text       string
	Bad        bool   // the message would be refused
	Wait       string // time until sending resumes, such as "3 s"; replaces the Send icon
	StatusText string // Text for screen readers, without counts that change all the time
}

// HintOf returns the most important hint. problem is why the last message was refused,
// typed the text in the field. begun is true once a room has been shown.
func HintOf(v client.View, typed, problem string, begun bool, now time.Time) Hint {
	if problem != "" {
		return Hint{Text: problem, Bad: true, StatusText: problem}
	}
	limit := shared.MaxMessageLength
	if v.Limits.MessageLength > 0 {
		limit = v.Limits.MessageLength
	}
	var h Hint
	if v.State == client.Online && now.Before(v.PausedUntil) {
		h.Wait = Seconds(v.PausedUntil.Sub(now))
	}
	// A text has no more code points than bytes, so short texts are not counted.
	if length := len(typed); length >= limit*8/10 {
		length = utf8.RuneCountInString(typed)
		if length >= limit*8/10 {
			h.Text = grouped(length) + " of " + grouped(limit) + " characters"
			if length > limit {
				h.Bad, h.StatusText = true, "The message is too long. The maximum is "+grouped(limit)+" characters."
			}
			return h
		}
	}
	queued := ""
	if v.Queued > 0 {
		queued = " (" + strconv.Itoa(v.Queued) + " queued)"
	}
	switch {
	case h.Wait != "":
		h.Text, h.StatusText = "Sending resumes in "+h.Wait+queued, "Sending is paused. It resumes automatically."
	case v.State != client.Online && (v.Queued > 0 || begun && (typed != "" || now.Sub(v.Since) >= quietFor)):
		h.StatusText = "Will send when reconnected"
		h.Text = h.StatusText + queued
	}
	return h
}

// MessageOf returns the typed text without blank lines at the start and end. It is
// empty if the text is blank.
func MessageOf(typed string) string {
	if shared.IsBlank(typed) {
		return ""
	}
	return strings.TrimRight(strings.Trim(typed, "\r\n"), " \t\r\n")
}

// grouped formats a number below a million with a comma: 4,096.
func grouped(n int) string {
	text := strconv.Itoa(n)
	if len(text) > 3 {
		text = text[:len(text)-3] + "," + text[len(text)-3:]
	}
	return text
}
