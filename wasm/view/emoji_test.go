package view

import (
	"strings"
	"testing"
)

func TestEmojiAlone(t *testing.T) {
	for message, want := range map[string]bool{
		"👍": true, "👍🏽": true, "🎉🎉🎉": true, "🎉 🎉": true, "❤️": true, "☺": true, "🇩🇪": true, "👩‍👩‍👧‍👦": true,
		"1️⃣": true, "🏴󠁧󠁢󠁳󠁣󠁴󠁿": true, "©️": true, "🏳️‍🌈": true,
		"": false, " ": false, "👍👍👍👍": false, "👍 ok": false, "1": false, "12": false, "#": false, "©": false,
		"🇩": false, "👩\u200d": false, "\u200d": false, "\ufe0f": false, "a": false, "日本": false, "👍\n👍": false,
		"\xff": false, strings.Repeat("👍", 4096): false,
	} {
		if got := EmojiAlone(message); got != want {
			t.Errorf("EmojiAlone(%q): got %v, want %v", message, got, want)
		}
	}
}
