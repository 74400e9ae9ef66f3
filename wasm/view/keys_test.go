package view

import "testing"

func TestKeys(t *testing.T) {
	for _, test := range []struct {
		press Press
		want  Action
	}{
		{Press{Key: "Enter", Place: InComposer}, Send},
		{Press{Key: "Enter", Place: InComposer, Shift: true}, NoAction},
		{Press{Key: "Enter", Place: InComposer, Touch: true}, NoAction},
		{Press{Key: "Enter", Place: InComposer, Composing: true}, NoAction},
		{Press{Key: "Enter"}, NoAction},
		{Press{Key: "Enter", Place: InFilter}, NoAction}, // its form does it
		{Press{Key: "k", Ctrl: true, Place: InComposer}, FindRoom},
		{Press{Key: "K", Ctrl: true}, FindRoom}, // with Caps Lock
		{Press{Key: "k"}, NoAction},
		{Press{Key: "k", Ctrl: true, Place: InDialog}, NoAction},
		{Press{Key: "k", Ctrl: true, Shift: true}, NoAction},
		{Press{Key: "/"}, FindRoom},
		{Press{Key: "/", Shift: true}, FindRoom}, // on a German keyboard
		{Press{Key: "/", Place: InRooms}, FindRoom},
		{Press{Key: "/", Place: InComposer}, NoAction},
		{Press{Key: "/", Place: InField}, NoAction},
		{Press{Key: "/", Place: InFilter}, NoAction},
		{Press{Key: "/", Ctrl: true, Place: InComposer}, ShowKeys},
		{Press{Key: "/", Ctrl: true, Place: InDialog}, ShowKeys},
		{Press{Key: "ArrowUp", Alt: true, Place: InComposer}, RoomAbove},
		{Press{Key: "ArrowDown", Alt: true, Place: InFilter}, RoomBelow},
		{Press{Key: "ArrowDown", Place: InFilter}, RowBelow},
		{Press{Key: "ArrowUp", Place: InRooms}, RowAbove},
		{Press{Key: "ArrowUp", Place: InComposer}, NoAction},
		{Press{Key: "Escape", Place: InComposer}, Back},
		{Press{Key: "Escape", Place: InDialog}, NoAction}, // the browser closes it
		{Press{Key: "Escape", Place: InComposer, Composing: true}, NoAction},
		{Press{}, NoAction},

		// Keyboards without Latin letters: Cyrillic, Greek, Hebrew, Arabic, Hindi, Thai.
		{Press{Key: "л", Code: "KeyK", Ctrl: true, Place: InComposer}, FindRoom},
		{Press{Key: "Л", Code: "KeyK", Ctrl: true}, FindRoom}, // with Caps Lock
		{Press{Key: "κ", Code: "KeyK", Ctrl: true}, FindRoom},
		{Press{Key: "ל", Code: "KeyK", Ctrl: true}, FindRoom},
		{Press{Key: "ن", Code: "KeyK", Ctrl: true}, FindRoom},
		{Press{Key: "क", Code: "KeyK", Ctrl: true}, FindRoom},
		{Press{Key: "У", Code: "KeyE", Ctrl: true, Shift: true}, ShowEvents},
		{Press{Key: "Ε", Code: "KeyE", Ctrl: true, Shift: true}, ShowEvents},
		{Press{Key: "ק", Code: "KeyE", Ctrl: true, Shift: true}, ShowEvents},
		{Press{Key: "ฯ", Code: "KeyE", Ctrl: true, Shift: true}, ShowEvents},
		{Press{Key: "ा", Code: "KeyE", Ctrl: true, Shift: true}, ShowEvents}, // a vowel sign
		{Press{Key: ".", Code: "Slash", Ctrl: true, Place: InDialog}, ShowKeys},
		{Press{Key: "ظ", Code: "Slash", Ctrl: true}, ShowKeys},
		{Press{Key: ".", Code: "Slash"}, FindRoom},
		{Press{Key: ".", Code: "Slash", Place: InComposer}, NoAction},
		{Press{Key: "л", Code: "KeyK"}, NoAction},
		{Press{Key: "/", Code: "Backslash", Shift: true}, FindRoom}, // Cyrillic
		// Latin letters count where they are, and what belongs to the browser stays so.
		{Press{Key: "k", Code: "KeyV", Ctrl: true}, FindRoom},              // Dvorak
		{Press{Key: "t", Code: "KeyK", Ctrl: true}, NoAction},              // Dvorak
		{Press{Key: ">", Code: "KeyE", Ctrl: true, Shift: true}, NoAction}, // Dvorak
		{Press{Key: "ğ", Code: "KeyE", Ctrl: true, Shift: true}, NoAction}, // Turkish F
		{Press{Key: "-", Code: "Slash", Ctrl: true}, NoAction},             // German: smaller
		{Press{Key: "é", Code: "Slash", Ctrl: true}, NoAction},             // Canadian
		{Press{Key: "Dead", Code: "Slash", Ctrl: true}, NoAction},
		{Press{Key: ".", Code: "Period", Ctrl: true}, NoAction},
	} {
		if got := test.press.Action(); got != test.want {
			t.Errorf("%+v asks for got %q, want %q", test.press, got, test.want)
		}
	}
}

// TestEveryKeyIsSaid: each action that a key does is in the list of keys.
func TestEveryKeyIsSaid(t *testing.T) {
	said := make(map[Action]bool)
	for _, k := range keys {
		said[k.does] = said[k.does] || k.label != ""
	}
	delete(said, RowBelow) // said with RowAbove
	for action, is := range said {
		if !is {
			t.Errorf("list of keys: want a line for %q", action)
		}
	}
	first := KeyLines(false, false)[0]
	if len(first.Ways) != 1 || first.Ways[0][0] != "Enter" || first.Does != "Send the message" {
		t.Errorf("first line: got %+v, want Enter, Send the message", first)
	}
	for _, line := range KeyLines(true, false) {
		if line.Does == "Find a room, or create one" {
			if got := line.Ways[0][0] + line.Ways[0][1] + line.Ways[1][0]; got != "⌘K/" {
				t.Errorf("keys that find a room on a Mac: got %q, want ⌘K/", got)
			}
		}
	}
}

// TestKeysOfAPhone: there Enter breaks the line, and nothing else is said of it.
func TestKeysOfAPhone(t *testing.T) {
	first := KeyLines(false, true)[0]
	if len(first.Ways) != 1 || len(first.Ways[0]) != 1 || first.Ways[0][0] != "Enter" || first.Does != "Break the line" {
		t.Errorf("first line: got %+v, want Enter, Break the line", first)
	}
	for _, line := range KeyLines(false, true) {
		if line.Does == "Send the message" {
			t.Errorf("got %+v, want no key that sends", line)
		}
	}
}
