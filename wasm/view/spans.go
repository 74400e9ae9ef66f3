package view

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Span is a part of a message: text, a link or code.
type Span struct {
	Text string
	Href string // empty if it is not a link
	Code bool
}

// Spans splits a message into text, links and code. Links are http, https and mailto
// addresses. Code is text in backticks on one line, without the backticks.
func Spans(message string) []Span {
	var spans []Span
	from := 0 // start of the text that is not in spans yet
	for at := 0; at < len(message); {
		length, code := linkAt(message, at), codeAt(message, at)
		if length == 0 && code == "" {
			_, size := utf8.DecodeRuneInString(message[at:])
			at += size
			continue
		}
		if at > from {
			spans = append(spans, Span{Text: message[from:at]})
		}
		if code != "" {
			spans = append(spans, Span{Text: code, Code: true})
			at += len(code) + 2
		} else {
			link := message[at : at+length]
			spans = append(spans, Span{Text: link, Href: link})
			at += length
		}
		from = at
	}
	if from < len(message) {
		spans = append(spans, Span{Text: message[from:]})
	}
	return spans
}

// codeAt returns the code whose opening backtick is at this byte, empty if there is
// none.
func codeAt(message string, at int) string {
	if message[at] != '`' || at > 0 && message[at-1] == '`' {
		return ""
	}
	code, rest, closed := strings.Cut(message[at+1:], "`")
	if !closed || strings.HasPrefix(rest, "`") || strings.TrimSpace(code) == "" || strings.Contains(code, "\n") {
		return ""
	}
	return code
}

// linkAt returns the length in bytes of the link at this byte, 0 if there is none.
func linkAt(message string, at int) int {
	rest := message[at:]
	if !hasScheme(rest) || endsInWord(message[:at]) {
		return 0
	}
	link := trimSentence(rest[:linkEnd(rest)])
	parsed, err := url.Parse(link)
	if err != nil || parsed.Host == "" && parsed.Opaque == "" {
		return 0
	}
	return len(link)
}

// endsInWord reports whether "https" would continue the last word of a text: one of Latin
// letters or digits. Words of other scripts end before it, with or without a space.
func endsInWord(text string) bool {
	r, _ := utf8.DecodeLastRuneInString(strings.TrimRightFunc(text, unicode.IsMark))
	return isLatin(r)
}

func isLatin(r rune) bool { return unicode.Is(unicode.Latin, r) || r >= '0' && r <= '9' }

// linkEnd returns the length in bytes of the link at the start of a text, with punctuation
// of the sentence that may follow it.
//
// A link may have letters of every script, and many scripts have no spaces between words.
// So another script begins the next word directly behind an ASCII letter or digit, as in
// https://go.devを, and belongs to the link elsewhere, as in https://go.dev/日本.
func linkEnd(text string) int {
	inWord := false
	for i, r := range text {
		if r > unicode.MaxASCII {
			if endsLink(r) || inWord && !isLatin(r) && !unicode.IsMark(r) && !strings.ContainsRune(titleMarks, r) {
				return i
			}
			inWord = false
			continue
		}
		if r <= ' ' || r == '\u007f' || strings.ContainsRune("<>\"`", r) {
			return i
		}
		inWord = isLatin(r)
	}
	return len(text)
}

// titleMarks is punctuation of titles, and so of links: Paral·lel, Dunning–Kruger.
const titleMarks = "·–‐…・"

// endsLink reports whether a character that is not ASCII ends a link. These are spaces,
// quotation marks and other punctuation, and what is invisible except for joiners in words.
func endsLink(r rune) bool {
	switch {
	case strings.ContainsRune(titleMarks, r), r == joiner, r == nonJoiner:
		return false
	case r == '´', r >= '❛' && r <= '❠': // quotation marks that are symbols
		return true
	}
	return unicode.IsPunct(r) || !unicode.IsPrint(r)
}

func hasScheme(text string) bool {
	for _, scheme := range [...]string{"https://", "http://", "mailto:"} {
		if len(text) > len(scheme) && strings.EqualFold(text[:len(scheme)], scheme) {
			return true
		}
	}
	return false
}

// trimSentence removes trailing punctuation that belongs to the sentence, such as a
// period or a bracket that was opened before the link.
func trimSentence(link string) string {
	for link != "" {
		r, size := utf8.DecodeLastRuneInString(link)
		switch {
		case strings.ContainsRune(".,;:!?'*_~"+titleMarks, r):
		case r == ')' && strings.Count(link, "(") < strings.Count(link, ")"):
		case r == ']' && strings.Count(link, "[") < strings.Count(link, "]"):
		case r == '}' && strings.Count(link, "{") < strings.Count(link, "}"):
		default:
			return link
		}
		link = link[:len(link)-size]
	}
	return link
}
