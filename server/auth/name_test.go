package auth

import (
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// Names that look the same become the same, and invisible characters are refused.
func TestCleanName(t *testing.T) {
	for name, want := range map[string]string{
		"Ann": "Ann", "Ａｎｎ": "Ann", "ﬁona": "fiona", "Ⅷ": "VIII", "e\u0301lan": "élan",
		"a\nb": "", "a\u202eb": "", "a\u200bb": "", " a": "", "": "", "\u00a0a": "", strings.Repeat("ﷺ", 2): "", "a\xff": "",

		"Ann \u2764\ufe0f": "Ann \u2764\ufe0f", "\u2122\ufe0f": "TM", "\U0001f469\u200d\U0001f4bb": "\U0001f469\u200d\U0001f4bb", "a\u200db": "",

		// Joiners that change the shape of a letter stay, the others go.
		"علی\u200cرضا": "علی\u200cرضا", "ه\u200d. رضایی": "ه\u200d. رضایی", "مادر\u200cجان": "مادرجان", "دا\u200cرا": "دارا", "علی\u200dرضا": "علیرضا",
		"عَ\u200cلی": "عَ\u200cلی", "سماء\u200cس": "سماءس", "م\u200cء": "مء",
		"क्\u200dष": "क्\u200dष", "क्\u200cष": "क्\u200cष", "क\u200cष": "कष", "র\u200d্যাচেল": "র\u200d্যাচেল", "രാമന്\u200d": "രാമന്\u200d",
	} {
		got, err := CleanName(name)
		if (err == nil) != (want != "") || err == nil && got != want {
			t.Errorf("CleanName(%+q): got %+q, %v, want %+q", name, got, err, want)
		}
	}
}

// The name in a token is made to fit, or is ignored. It refuses nobody.
func TestNamesInTokens(t *testing.T) {
	verifier := newVerifier(t, "HS256", testSecret)
	for _, test := range []struct {
		claim any
		want  string
	}{
		{"Ann", "Ann"}, {nil, ""}, {"", ""}, {" ", ""}, {17, ""}, {[]string{"Ann"}, ""}, {map[string]any{"first": "Ann"}, ""},
		{" Ann\t", "Ann"}, {"Ann ", "Ann"}, {"Ann\nLee", "Ann Lee"}, {"Ann\u00a0\u3000Lee", "Ann Lee"}, {"Ａｎｎ", "Ann"},
		{"Ann\u202enimdA", "AnnnimdA"}, {"\u200bAnn\u200b ", "Ann"}, {"\u200b Ann", "Ann"}, {"\u200b\u2800", ""}, {"\u0301", ""}, {"\u0000", ""},
		{strings.Repeat("A", 40), strings.Repeat("A", 32)},
		{strings.Repeat("A", 31) + " Lee", strings.Repeat("A", 31)},
		{strings.Repeat("A", 30) + "\U0001f469\u200d\U0001f4bb", strings.Repeat("A", 30) + "\U0001f469"},
		{strings.Repeat("🦊", 33), strings.Repeat("🦊", 32)},
		{"علی\u200cرضا", "علی\u200cرضا"}, {"دا\u200cرا", "دارا"},
	} {
		s, err := verifier.Verify(t.Context(), token(t, jwt.SigningMethodHS256, testSecret, claim("name", test.claim)))
		if err != nil || s.User != "ann@example.com" || s.Name != test.want {
			t.Errorf("name %+q: got %q as %+q, %v, want ann@example.com as %+q", test.claim, s.User, s.Name, err, test.want)
		}
	}
}
