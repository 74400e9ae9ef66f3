package view

import (
	"unicode"
	"unicode/utf8"
)

// Action is what a key does in the page.
type Action string

const (
	NoAction   Action = ""
	Send       Action = "send"
	FindRoom   Action = "find room"
	RoomAbove  Action = "room above"
	RoomBelow  Action = "room below"
	RowAbove   Action = "row above"
	RowBelow   Action = "row below"
	Back       Action = "back" // one step out of the current part of the page
	ShowKeys   Action = "show keys"
	ShowEvents Action = "show events" // opens or closes the event drawer
)

// Place is the part of the page in which a key was pressed.
type Place int

const (
	Elsewhere Place = iota
	InField         // any other text field
	InComposer
	InFilter // the field that filters rooms
	InRooms  // a row of the list of rooms
	InDialog // a modal dialog
)

// Press is a key press.
type Press struct {
	Key              string // KeyboardEvent.key
	Code             string // KeyboardEvent.code, the place of the key on the keyboard
	Ctrl, Alt, Shift bool   // Ctrl is true for the Command key of a Mac too
	Composing        bool   // the key belongs to an input method, for example Japanese
	Touch            bool   // on a phone, where Enter breaks the line
	Place            Place
}

// key is a shortcut: the key, its action, and its text in the list of shortcuts. A key
// without an action is handled by the browser, and is in the list only.
type key struct {
	key              string
	ctrl, alt, shift bool
	in               []Place // nil means everywhere but in a dialog
	does             Action
	label            string // empty if another shortcut's line includes this one
	or               string // the key of the shortcut that the line includes
}

var keys = []key{
	{key: "Enter", in: []Place{InComposer}, does: Send, label: "Send the message"},
	{key: "Enter", shift: true, in: []Place{InComposer}, label: "Break the line"},
	{key: "k", ctrl: true, does: FindRoom, label: "Find a room, or create one", or: "/"},
	{key: "/", in: []Place{Elsewhere, InRooms}, does: FindRoom},
	{key: "ArrowUp", in: []Place{InFilter, InRooms}, does: RowAbove, label: "Move through the rooms found", or: "↓"},
	{key: "ArrowDown", in: []Place{InFilter, InRooms}, does: RowBelow},
	{key: "ArrowUp", alt: true, does: RoomAbove, label: "Go to the room above"},
	{key: "ArrowDown", alt: true, does: RoomBelow, label: "Go to the room below"},
	{key: "Escape", does: Back, label: "Close what is open, then go to the latest message"},
	{key: "/", ctrl: true, in: []Place{Elsewhere, InField, InComposer, InFilter, InRooms, InDialog}, does: ShowKeys, label: "Show these keys"},
	{key: "e", ctrl: true, shift: true, does: ShowEvents, label: "Show the events on the wire, for developers"},
}

// Action returns the action of a key press, NoAction if the page does not use the key.
func (p Press) Action() Action {
	if p.Composing || p.Key == "Enter" && p.Touch {
		return NoAction
	}
	for _, k := range keys {
		// On some keyboards / needs Shift.
		if k.does == NoAction || !p.isOf(k.key) || k.ctrl != p.Ctrl || k.alt != p.Alt ||
			k.shift != p.Shift && k.key != "/" {
			continue
		}
		if k.in == nil && p.Place != InDialog || has(k.in, p.Place) {
			return k.does
		}
	}
	return NoAction
}

// isOf reports whether the key of a shortcut was pressed. On a keyboard of another script
// it is the key in the same place: Ctrl+Л is Ctrl+K. Latin letters count wherever they are,
// and so does punctuation: a German keyboard has - in the place of /, and Ctrl+- belongs to
// the browser.
func (p Press) isOf(key string) bool {
	if key == p.Key || key == lower(p.Key) {
		return true
	}
	switch key {
	case "/": // Cyrillic, Hebrew and Turkish keyboards have . there
		return p.Code == "Slash" && (p.Key == "." || isForeign(p.Key))
	case "k", "e":
		return p.Code == "Key"+nameOf(key) && isForeign(p.Key)
	}
	return false
}

// isForeign reports whether a key is a letter or a mark of a script other than Latin.
func isForeign(key string) bool {
	r, _ := utf8.DecodeRuneInString(key)
	return (unicode.IsLetter(r) || unicode.IsMark(r)) && !unicode.Is(unicode.Latin, r)
}

// KeyLine is a line of the list of shortcuts. Each way is a combination of keys; Does
// says what they do.
type KeyLine struct {
	Ways [][]string
	Does string
}

// KeyLines returns the list of shortcuts with the key names of a PC or a Mac. touch is
// true on a phone, where Enter breaks the line.
func KeyLines(mac, touch bool) []KeyLine {
	var lines []KeyLine
	for _, k := range keys {
		if k.label == "" || touch && k.does == Send {
			continue
		}
		if touch && k.key == "Enter" {
			k.shift = false
		}
		var way []string
		hold := func(held bool, name, onMac string) {
			if held && mac {
				name = onMac
			}
			if held {
				way = append(way, name)
			}
		}
		hold(k.ctrl, "Ctrl", "⌘")
		hold(k.alt, "Alt", "⌥")
		hold(k.shift, "Shift", "⇧")
		line := KeyLine{Ways: [][]string{append(way, nameOf(k.key))}, Does: k.label}
		if k.or != "" {
			line.Ways = append(line.Ways, []string{k.or})
		}
		lines = append(lines, line)
	}
	return lines
}

// nameOf returns the label of a key.
func nameOf(key string) string {
	switch key {
	case "ArrowUp":
		return "↑"
	case "ArrowDown":
		return "↓"
	case "Escape":
		return "Esc"
	case "k", "e":
		return string(key[0] - 'a' + 'A')
	}
	return key
}

// lower returns the letter of a key without Shift or Caps Lock.
func lower(key string) string {
	if len(key) == 1 && 'A' <= key[0] && key[0] <= 'Z' {
		return string(key[0] + 'a' - 'A')
	}
	return key
}

func has(places []Place, place Place) bool {
	for _, p := range places {
		if p == place {
			return true
		}
	}
	return false
}
