package view

import "strings"

// isolate returns a text to be put into a sentence of the page. Without it, what is written
// from right to left would reorder the words and marks beside it.
func isolate(text string) string {
	const firstHebrew = '\u0590' // no script before it is written from right to left
	if !strings.ContainsFunc(text, func(r rune) bool { return r >= firstHebrew }) {
		return text
	}
	return "\u2068" + text + "\u2069"
}
