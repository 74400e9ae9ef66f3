package shared

import (
	"strings"
	"testing"
)

// refuses fails unless err is an *Error with this code, or nil if code is empty.
func refuses(t *testing.T, what string, err error, code string) {
	t.Helper()
	if len(what) > 80 {
		what = what[:80] + "…"
	}
	if code == "" {
		if err != nil {
			t.Errorf("%q: got %v, want no error", what, err)
		}
		return
	}
	if err == nil {
		t.Errorf("%q is taken, want %s", what, code)
	} else if e := told(t, err); e.Code != code {
		t.Errorf("%q: got %v, want %s", what, e, code)
	}
}

// rooms maps names of rooms to the code with which they are refused.
var rooms = map[string]string{
	"a": "", "0": "", "-": "", "_": "", "general": "", "go-team_2": "", "--": "",
	strings.Repeat("r", 64): "",

	strings.Repeat("r", 65): CodeBadRoom,
	"A":                     CodeBadRoom, "generaL": CodeBadRoom, "a b": CodeBadRoom, " a": CodeBadRoom, "a ": CodeBadRoom,
	"../x": CodeBadRoom, "..": CodeBadRoom, ".": CodeBadRoom, "a.b": CodeBadRoom, "a/b": CodeBadRoom, `a\b`: CodeBadRoom,
	"*": CodeBadRoom, ">": CodeBadRoom, "a*": CodeBadRoom, "a.>": CodeBadRoom, "$JS": CodeBadRoom,
	"a\x00": CodeBadRoom, "a\n": CodeBadRoom, "ä": CodeBadRoom, "аbc": CodeBadRoom, "🚀": CodeBadRoom, "a\xff": CodeBadRoom, "%61": CodeBadRoom,
}

func TestValidateRooms(t *testing.T) {
	for room, code := range rooms {
		refuses(t, room, ValidateRoom(room), code)
		refuses(t, room, JoinPayload{Name: room}.Validate(), code)
		refuses(t, room, LeavePayload{Name: room}.Validate(), code)
		refuses(t, room, MarkReadPayload{Room: room, Seq: 1}.Validate(), code)
		refuses(t, room, RoomPayload{Room: room}.Validate(), code)
		refuses(t, room, SendMessagePayload{Room: room, Message: "hi"}.Validate(), code)
		refuses(t, room, LoadHistoryPayload{Room: room}.Validate(), code)
		refuses(t, room, ListRoomsPayload{Filter: room}.Validate(), code)
	}
	// An empty name means the current room where there is one, and is refused elsewhere.
	refuses(t, "", ValidateRoom(""), CodeBadRoom)
	refuses(t, "", JoinPayload{}.Validate(), CodeBadRoom)
	refuses(t, "", LeavePayload{}.Validate(), CodeBadRoom)
	refuses(t, "", MarkReadPayload{Seq: 1}.Validate(), CodeBadRoom)
	refuses(t, "", RoomPayload{}.Validate(), "")
	refuses(t, "", SendMessagePayload{Message: "hi"}.Validate(), "")
	refuses(t, "", LoadHistoryPayload{}.Validate(), "")
	refuses(t, "", ListRoomsPayload{}.Validate(), "")
	refuses(t, DefaultRoom, ValidateRoom(DefaultRoom), "")
}

func TestValidateMessages(t *testing.T) {
	for text, code := range map[string]string{
		"a": "", "ä": "", "🚀": "", "\u0301": "", "a\x00": "", "a\nb": "", "  indented": "",
		strings.Repeat("a", 4096):              "",
		strings.Repeat("é", 4096):              "",
		strings.Repeat("世", 4096):              "",
		strings.Repeat("🚀", 4096):              "",
		strings.Repeat(" ", 4095) + "a":        "",
		strings.Repeat("a", 4097):              CodeBadMessage,
		strings.Repeat("🚀", 4097):              CodeBadMessage,
		strings.Repeat("e\u0301", 2048) + "a":  CodeBadMessage, // code points, not what looks like one character
		strings.Repeat(" ", 4096) + "a":        CodeBadMessage,
		strings.Repeat("a", 4096) + "\u200d":   CodeBadMessage,
		strings.Repeat("🚀", 4095) + "\xf0\x9f": CodeBadMessage,
		"":                       CodeBadMessage,
		" ":                      CodeBadMessage,
		"\n\t\u00a0\u2028\u3000": CodeBadMessage,
		"\x00":                   CodeBadMessage,
		"\u2800":                 CodeBadMessage,
		"\u3164":                 CodeBadMessage,
		"\u00ad":                 CodeBadMessage,
		"\ufe0f":                 CodeBadMessage,
		"\U0001d159":             CodeBadMessage,
		"\U000e0041":             CodeBadMessage,
		"\U000e0100":             CodeBadMessage,
		"\u200b \u2060\n\ufeff\u200e\u202e\u2800\u115f\u034f\u200d\u061c\u180e\ufff9\u17b4\x1b": CodeBadMessage,
		"\u200b.":       "",
		"\u0600":        "", // formats digits, and can be seen
		"\ue000":        "", // for private use: who knows
		"\U0001fae9":    "",
		"a\u200db":      "",
		"\xff":          CodeBadMessage,
		"a\xed\xa0\xbd": CodeBadMessage, // a surrogate in UTF-8
	} {
		refuses(t, text, ValidateMessage(text), code)
		refuses(t, text, SendMessagePayload{Message: text}.Validate(), code)
		refuses(t, text, SendMessagePayload{Room: "lobby", Message: text}.Validate(), code)
	}
}

// The longest message fits in a frame even if a client escapes every character.
func TestLongestMessageFits(t *testing.T) {
	frame := `{"type":"send_message","payload":{"room":"` + strings.Repeat("r", MaxRoomLength) +
		`","message":"` + strings.Repeat(`\ud83d\ude80`, MaxMessageLength) + `"},"id":"` + strings.Repeat("x", MaxIDLength) + `"}`
	if len(frame) > MaxFrameBytes {
		t.Errorf("bytes of the frame: got %d, want at most %d", len(frame), MaxFrameBytes)
	}
	event, err := DecodeEvent([]byte(frame))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := SendMessage.Decode(event)
	if err != nil || payload.Message != strings.Repeat("🚀", MaxMessageLength) {
		t.Errorf("message: got %d bytes, %v, want %d", len(payload.Message), err, len("🚀")*MaxMessageLength)
	}
}

func TestValidateNames(t *testing.T) {
	for name, code := range map[string]string{
		"a": "", "Zoë": "", "李小龙": "", "علي": "", "नमस्ते": "", "Zoe\u0308": "", "🦊": "", "I ❤\ufe0f Go": "", "Ann B.": "", "<b>": "", "0": "",
		strings.Repeat("a", 32): "",
		strings.Repeat("🦊", 32): "",

		// Joiners, variation selectors and tags, where a script or an emoji needs them.
		"علی\u200cرضا": "", "مادر\u200cجان": "", "ه\u200d. رضایی": "", "क्\u200dष": "", "র\u200d্যাচেল": "", "രാമന്\u200d": "", "මහින්\u200dද": "",
		"Ann \U0001f469\u200d\U0001f4bb": "", "\U0001f469\U0001f3fd\u200d\U0001f4bb": "", "\u2764\ufe0f\u200d\U0001f525": "",
		"\U0001f642\u200d\u2194\ufe0f": "", "\U0001f3f3\ufe0f\u200d\U0001f308": "", "1\ufe0f\u20e3": "", "\u2764\ufe0e": "",
		"\U0001f468\u200d\U0001f469\u200d\U0001f467": "", "Ann " + england: "", scotland + wales: "", "葛\U000e0100城": "",
		"\U0001fae9": "", // newer than Go's tables

		"\u200d": CodeBadName, "a\u200db": CodeBadName, "a\u200cb": CodeBadName, "a\u200d": CodeBadName, "李\u200d小": CodeBadName,
		"\u200cعلی": CodeBadName, "علی\u200c": CodeBadName, "علی\u200c رضا": CodeBadName, "عل\u200bی": CodeBadName, "क\u200d\u200dष": CodeBadName,
		"\U0001f469\u200d": CodeBadName, "\u200d\U0001f469": CodeBadName, "\U0001f469\u200c\U0001f4bb": CodeBadName, "a\u200d\U0001f4bb": CodeBadName,
		"\U0001f469\u200d\u200d\U0001f4bb": CodeBadName, "Ann\ufe0f": CodeBadName, "1\ufe0f": CodeBadName, "\u2764\ufe0f\ufe0f": CodeBadName, "a\U000e0100": CodeBadName,
		"\U0001f3f4\U000e0061\U000e0062\U000e007f": CodeBadName, "\U0001f3f4\U000e0067\U000e0062": CodeBadName, "a\U000e007f": CodeBadName, "\U0001d159": CodeBadName,

		strings.Repeat("a", 33): CodeBadName,
		strings.Repeat("🦊", 33): CodeBadName,
		"":                      CodeBadName, " ": CodeBadName, " a": CodeBadName, "a ": CodeBadName, "\u3000a": CodeBadName, "a\n": CodeBadName,
		"a\nb": CodeBadName, "a\tb": CodeBadName, "a\x00b": CodeBadName, "a\u00a0b": CodeBadName, "a\x7f": CodeBadName,
		"a\u200bb": CodeBadName, "\u200b": CodeBadName, "a\u202eb": CodeBadName, "a\u2066b": CodeBadName, "a\ufeffb": CodeBadName, "a\u00adb": CodeBadName,
		"\u3164": CodeBadName, "a\u3164": CodeBadName, "\u115f": CodeBadName, "\uffa0": CodeBadName, "\u2800": CodeBadName, "\u034f": CodeBadName,
		"\ufe0f": CodeBadName, "\u0301": CodeBadName, // marks need something to be put on
		"a\ue000": CodeBadName, "a\U000e0041": CodeBadName, "\xff": CodeBadName, "a\xc3": CodeBadName,
	} {
		refuses(t, name, ValidateName(name), code)
		refuses(t, name, SetNamePayload{Name: name}.Validate(), code)
	}
}

// What is not needed is removed, and nothing else.
func TestStripInvisible(t *testing.T) {
	for name, want := range map[string]string{
		"Ann": "Ann", "A n\u200bn": "A nn", "\u202eAnn\u202c": "Ann", "\u200d\u200d": "", "": "", "a\u200db": "ab", "علی\u200cرضا": "علی\u200cرضا",
		"\U0001f469\u200d\u200d\U0001f4bb": "\U0001f469\u200d\U0001f4bb", "\U0001f469\u200d": "\U0001f469", england + "\U000e007f": england,
	} {
		if got := StripInvisible(name); got != want {
			t.Errorf("StripInvisible(%+q): got %+q, want %+q", name, got, want)
		}
	}
}

func TestValidateCursors(t *testing.T) {
	for _, c := range []struct {
		cursor Cursor
		code   string
	}{
		{Cursor{}, ""},
		{Cursor{Epoch: "k3J9"}, ""},
		{Cursor{Epoch: "k3J9", Seq: 41, ID: "m41"}, ""},
		{Cursor{Epoch: "made up, and no such one", Seq: 1<<64 - 1, ID: "m"}, ""}, // resets this client alone
		{Cursor{Epoch: strings.Repeat("e", 64), ID: strings.Repeat("i", 64)}, ""},
		{Cursor{Epoch: strings.Repeat("e", 65)}, CodeBadPayload},
		{Cursor{Epoch: "k3J9", Seq: 41, ID: strings.Repeat("i", 65)}, CodeBadPayload},
		{Cursor{Epoch: "k3J9", Seq: 41, ID: "a b"}, CodeBadPayload},
		{Cursor{Epoch: "k3J9", Seq: 41, ID: "*"}, CodeBadPayload},
	} {
		refuses(t, c.cursor.Epoch+"/"+c.cursor.ID, JoinPayload{Name: "lobby", After: &c.cursor}.Validate(), c.code)
	}
	refuses(t, "no cursor", JoinPayload{Name: "lobby"}.Validate(), "")
	refuses(t, "a bad room first", JoinPayload{Name: "*", After: &Cursor{ID: "*"}}.Validate(), CodeBadRoom)
}

func TestValidateHistory(t *testing.T) {
	for _, c := range []struct {
		payload LoadHistoryPayload
		code    string
	}{
		{LoadHistoryPayload{}, ""},
		{LoadHistoryPayload{Before: 1}, ""},
		{LoadHistoryPayload{After: 1<<64 - 1}, ""},
		{LoadHistoryPayload{Limit: 1}, ""},
		{LoadHistoryPayload{Limit: 200}, ""},
		{LoadHistoryPayload{Limit: 201}, CodeBadPayload},
		{LoadHistoryPayload{Limit: -1}, CodeBadPayload},
		{LoadHistoryPayload{Before: 1, After: 1}, CodeBadPayload},
	} {
		if err := c.payload.Validate(); c.code == "" && err != nil || c.code != "" && (err == nil || told(t, err).Code != c.code) {
			t.Errorf("%+v: got %v, want %q", c.payload, err, c.code)
		}
	}
}

func TestValidateTokens(t *testing.T) {
	for token, code := range map[string]string{
		"t": "", strings.Repeat("t", 8192): "", "": CodeBadPayload, strings.Repeat("t", 8193): CodeBadPayload,
	} {
		refuses(t, token, TokenPayload{Token: token}.Validate(), code)
	}
}
