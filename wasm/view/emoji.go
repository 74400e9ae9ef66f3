package view

import "unicode/utf8"

// mostEmoji is how many emoji a message may have to be shown enlarged.
const mostEmoji = 3

// EmojiAlone reports whether a message consists of one to three emoji.
func EmojiAlone(message string) bool {
	n := 0
	for message != "" {
		if message[0] == ' ' {
			message = message[1:]
			continue
		}
		size := emojiAt(message)
		if n++; size == 0 || n > mostEmoji {
			return false
		}
		message = message[size:]
	}
	return n > 0
}

const (
	joiner    = '\u200d' // joins two emoji, or letters
	nonJoiner = '\u200c' // keeps letters of a word apart
	asEmoji   = '\ufe0f' // shows the character before it as an emoji
	keycap    = '\u20e3'
	firstTag  = '\U000e0020' // tags spell the flag of a region
	lastTag   = '\U000e007f'
)

// emojiAt returns the length in bytes of the emoji at the start of the text, 0 if there
// is none. It knows the Unicode blocks of emoji, not each single one.
func emojiAt(text string) (size int) {
	next := func() rune {
		r, _ := utf8.DecodeRuneInString(text[size:])
		return r
	}
	take := func() { size += utf8.RuneLen(next()) }
	for {
		r, width := utf8.DecodeRuneInString(text[size:])
		after, _ := utf8.DecodeRuneInString(text[size+width:])
		switch {
		case isRegion(r) && isRegion(after): // a flag
			take()
		case r == '#' || r == '*' || r >= '0' && r <= '9':
			if after != asEmoji && after != keycap {
				return 0
			}
		case !isPicture(r) && !(isSymbol(r) && after == asEmoji):
			return 0
		}
		size += width
		for size < len(text) && (next() == asEmoji || next() == keycap || isTone(next()) || next() >= firstTag && next() <= lastTag) {
			take()
		}
		if size == len(text) || next() != joiner {
			return size
		}
		take()
		if size == len(text) {
			return 0
		}
	}
}

func isRegion(r rune) bool { return r >= 0x1f1e6 && r <= 0x1f1ff }
func isTone(r rune) bool   { return r >= 0x1f3fb && r <= 0x1f3ff }

// isPicture reports whether r is an emoji by itself.
func isPicture(r rune) bool {
	return r >= 0x1f300 && r <= 0x1faff || r >= 0x2600 && r <= 0x27bf ||
		r >= 0x231a && r <= 0x231b || r >= 0x23e9 && r <= 0x23f3 || r >= 0x2b1b && r <= 0x2b55 ||
		r == 0x1f004 || r == 0x1f0cf || r == 0x1f18e || r >= 0x1f191 && r <= 0x1f19a
}

// isSymbol reports whether r can be an emoji if asEmoji follows.
func isSymbol(r rune) bool {
	return r == 0xa9 || r == 0xae || r >= 0x203c && r <= 0x3299
}
