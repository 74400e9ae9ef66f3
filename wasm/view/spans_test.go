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
		{"https://go.dev/ü 日本https://go.dev 。https://go.dev", []string{"https://go.dev/ü", "https://go.dev"}},
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
