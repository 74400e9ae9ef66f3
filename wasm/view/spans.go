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
	if r, _ := utf8.DecodeLastRuneInString(message[:at]); at > 0 && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
		return 0 // in the middle of a word
	}
	rest := message[at:]
	if !hasScheme(rest) {
		return 0
	}
	end := strings.IndexFunc(rest, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune("<>\"`", r)
	})
	if end < 0 {
		end = len(rest)
	}
	link := trimSentence(rest[:end])
	parsed, err := url.Parse(link)
	if err != nil || parsed.Host == "" && parsed.Opaque == "" {
		return 0
	}
	return len(link)
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
		case strings.ContainsRune(".,;:!?'*_~…", r):
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
