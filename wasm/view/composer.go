package view

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"websockets/shared"
	"websockets/wasm/client"
)

// quietFor is how long the connection may be away before a reader who does not
// write is told what would become of a message.
const quietFor = 5 * time.Second

// Hint is the line under the composer.
type Hint struct {
	Text       string
	Bad        bool   // the message would not be taken
	Wait       string // "3 s": until then nothing is sent; stands in the place of Send's arrow
	StatusText string // Text without what changes each second or with each letter
}

// HintOf says what the writer has to know, the most urgent thing only. problem is
// why the last message was not taken, typed what is in the field, begun whether a
// first room was ever shown.
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
	// Bytes bound the code points, so a short text is not counted.
	if length := len(typed); length >= limit*8/10 {
		length = utf8.RuneCountInString(typed)
		if length >= limit*8/10 {
			h.Text = grouped(length) + " of " + grouped(limit) + " characters"
			if length > limit {
				h.Bad, h.StatusText = true, "The message is too long: "+grouped(limit)+" characters are the most."
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
		h.Text, h.StatusText = "Sending goes on in "+h.Wait+queued, "The server asks to wait. Sending goes on by itself."
	case v.State != client.Online && (v.Queued > 0 || begun && (typed != "" || now.Sub(v.Since) >= quietFor)):
		h.StatusText = "Will send when reconnected"
		h.Text = h.StatusText + queued
	}
	return h
}

// MessageOf is the message that a typed text is, without the blank lines around
// it; empty if there is nothing in it.
func MessageOf(typed string) string {
	text := strings.TrimRight(strings.Trim(typed, "\r\n"), " \t\r\n")
	if strings.TrimSpace(text) == "" {
		return ""
	}
	return text
}

// grouped writes a number below a million as people read it: 4,096.
func grouped(n int) string {
	text := strconv.Itoa(n)
	if len(text) > 3 {
		text = text[:len(text)-3] + "," + text[len(text)-3:]
	}
	return text
}
