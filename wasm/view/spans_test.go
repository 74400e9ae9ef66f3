package view

import (
	"slices"
	"strings"
	"testing"
)

func TestLinks(t *testing.T) {
	for _, test := range []struct {
		message string
		links   []string
	}{
		{"", nil},
		{"no link at all", nil},
		{"https://go.dev", []string{"https://go.dev"}},
		{"see https://go.dev/doc, and http://example.com.", []string{"https://go.dev/doc", "http://example.com"}},
		{"(https://en.wikipedia.org/wiki/Go_(game))", []string{"https://en.wikipedia.org/wiki/Go_(game)"}},
		{"write to mailto:ada@example.com!", []string{"mailto:ada@example.com"}},
		{"<https://go.dev>\nHTTPS://GO.DEV/a?b=c#d", []string{"https://go.dev", "HTTPS://GO.DEV/a?b=c#d"}},
		{"ünïxhttps://go.dev", nil},
		{"https:// https://: mailto: http://", nil},
		{"javascript:alert(1) data:text/html,x file:///etc/passwd ftp://a", nil},
		{"https://go.dev/ü 日本https://go.dev 。https://go.dev", []string{"https://go.dev/ü", "https://go.dev", "https://go.dev"}},

		// A link begins behind a letter of any script but Latin.
		{"смотриhttps://go.dev вhttps://go.dev", []string{"https://go.dev", "https://go.dev"}},
		{"בhttps://go.dev وhttps://go.dev ดูhttps://go.dev 한https://go.dev", []string{"https://go.dev", "https://go.dev", "https://go.dev", "https://go.dev"}},
		{"xhttps://go.dev 1https://go.dev e\u0301https://go.dev", nil},
		// And ends before one that directly follows its last letter.
		{"https://go.dev/docを見て https://go.devから", []string{"https://go.dev/doc", "https://go.dev"}},
		{"https://go.dev/doc是 https://go.dev에서 https://go.devครับ https://go.devשם", []string{"https://go.dev/doc", "https://go.dev", "https://go.dev", "https://go.dev"}},
		{"https://go.dev🎉 http://localhost:8080です mailto:ada@example.comへ", []string{"https://go.dev", "http://localhost:8080", "mailto:ada@example.com"}},
		// Its own letters are of any script.
		{"https://ja.wikipedia.org/wiki/日本 https://例え.jp/パス https://президент.рф/новости", []string{"https://ja.wikipedia.org/wiki/日本", "https://例え.jp/パス", "https://президент.рф/новости"}},
		{"https://ar.wikipedia.org/wiki/مصر https://fa.wikipedia.org/wiki/می\u200cخواهم", []string{"https://ar.wikipedia.org/wiki/مصر", "https://fa.wikipedia.org/wiki/می\u200cخواهم"}},
		{"https://de.wikipedia.org/wiki/Ma\u0308dchen https://müller.de/größe", []string{"https://de.wikipedia.org/wiki/Ma\u0308dchen", "https://müller.de/größe"}},
		{"https://ca.wikipedia.org/wiki/Paral·lel https://en.wikipedia.org/wiki/Dunning–Kruger_effect", []string{"https://ca.wikipedia.org/wiki/Paral·lel", "https://en.wikipedia.org/wiki/Dunning–Kruger_effect"}},
		{"https://emojipedia.org/👍 https://en.wikipedia.org/wiki/Hobson's_choice", []string{"https://emojipedia.org/👍", "https://en.wikipedia.org/wiki/Hobson's_choice"}},
		// Punctuation of any script ends it.
		{"（https://go.dev/doc）、https://go.dev/doc，然后https://go.dev/。", []string{"https://go.dev/doc", "https://go.dev/doc", "https://go.dev/"}},
		{"https://go.dev، https://go.dev؟ https://go.dev। https://go.dev։ https://go.dev…", []string{"https://go.dev", "https://go.dev", "https://go.dev", "https://go.dev", "https://go.dev"}},
		{"https://go.dev—so https://go.dev– and https://go.dev–", []string{"https://go.dev", "https://go.dev", "https://go.dev"}},
		// What is invisible is not part of it.
		{"\u2068https://go.dev\u2069 \u200fhttps://go.dev\u200f https://go.dev\u200bnext https://go.dev\u00a0x", []string{"https://go.dev", "https://go.dev", "https://go.dev", "https://go.dev"}},
	} {
		var links []string
		var all strings.Builder
		for _, s := range Spans(test.message) {
			all.WriteString(s.Text)
			if s.Href != "" {
				links = append(links, s.Href)
			}
		}
		if all.String() != test.message {
			t.Errorf("text of %q: got %q, want it unchanged", test.message, all.String())
		}
		if !slices.Equal(links, test.links) {
			t.Errorf("links of %q: got %q, want %q", test.message, links, test.links)
		}
	}
}

// TestLinksInQuotationMarks takes the quotation marks of all languages.
func TestLinksInQuotationMarks(t *testing.T) {
	for _, marks := range []string{
		`""`, "''", "“”", "‘’", "„“", "‚‘", "””", "’’", "«»", "»«", "‹›", "›‹", "「」", "『』", "《》", "〈〉", "【】", "〝〞", "〝〟",
		"＂＂", "＇＇", "｢｣", "❛❜", "❝❞", "´´", "()", "[]", "{}", "<>", "（）", "［］", "**", "__",
	} {
		opening := []rune(marks)[0]
		closing := []rune(marks)[1]
		for _, link := range []string{"https://go.dev", "https://go.dev/", "https://go.dev/doc", "https://go.dev/a_(b)", "https://go.dev/日本"} {
			for _, after := range []string{"", ".", ",", " next", "。"} {
				text := string(opening) + link + string(closing) + after
				var links []string
				for _, s := range Spans(text) {
					if s.Href != "" {
						links = append(links, s.Href)
					}
				}
				if !slices.Equal(links, []string{link}) {
					t.Errorf("links of %s: got %q, want %q", text, links, link)
				}
			}
		}
	}
}

func TestCode(t *testing.T) {
	for message, want := range map[string][]Span{
		"run `go test`, please": {{Text: "run "}, {Text: "go test", Code: true}, {Text: ", please"}},
		"`https://go.dev`":      {{Text: "https://go.dev", Code: true}},
		"`a``b`":                {{Text: "`a``b`"}},
		"```go\nx\n```":         {{Text: "```go\nx\n```"}},
		"it`s a `":              {{Text: "it"}, {Text: "s a ", Code: true}},
		"one ` two":             {{Text: "one ` two"}},
		"` `":                   {{Text: "` `"}},
		"a `b\nc` d":            {{Text: "a `b\nc` d"}},
		"`":                     {{Text: "`"}},
	} {
		if got := Spans(message); !slices.Equal(got, want) {
			t.Errorf("%q becomes got %v, want %v", message, got, want)
		}
	}
}
