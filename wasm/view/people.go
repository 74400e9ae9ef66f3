package view

import (
	"hash/fnv"
	"strconv"
	"strings"
	"unicode"

	"websockets/wasm/client"
)

// Colors and initials are derived from the user id and the name alone. So a person
// looks the same on every screen, and nothing has to be stored.

// Hue returns a user's color in degrees of the color circle. There are 24 hues, far
// enough apart to distinguish.
func Hue(user string) string {
	h := fnv.New32a()
	h.Write([]byte(user))
	return strconv.Itoa(int(h.Sum32()%24) * 15)
}

// Initials returns one or two letters for a name.
func Initials(name string) string {
	var letters []rune
	for _, word := range strings.Fields(name) {
		for _, r := range word {
			if unicode.IsLetter(r) || unicode.IsDigit(r) {
				letters = append(letters, unicode.ToUpper(r))
				break
			}
		}
		if len(letters) == 2 {
			break
		}
	}
	if len(letters) == 0 {
		for _, r := range name {
			return string(r)
		}
	}
	return string(letters)
}

// tagOf returns the end of a user id. It distinguishes people with the same name.
func tagOf(user string) string { return user[max(0, len(user)-4):] }

// Names maps names to user ids. It finds names that several people use.
type Names map[string]string

// several marks a name that several people use. It is not a valid user id.
const several = "\x00"

// Add adds a user's name.
func (n Names) Add(name, user string) {
	if known, ok := n[name]; ok && known != user {
		user = several
	}
	n[name] = user
}

// Tag returns the user's tag, empty if no other user has the same name.
func (n Names) Tag(name, user string) string {
	if n[name] == several {
		return tagOf(user)
	}
	return ""
}

// NamesOf collects the names of the current room.
func NamesOf(v client.View) Names {
	names := make(Names)
	if v.Me.User != "" {
		names.Add(v.Me.Name, v.Me.User)
	}
	for _, m := range v.Room.Members {
		names.Add(m.Name, m.User)
	}
	for _, m := range v.Room.Messages {
		names.Add(m.From, m.User)
	}
	return names
}
