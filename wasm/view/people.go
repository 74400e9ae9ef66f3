package view

import (
	"hash/fnv"
	"strconv"
	"strings"
	"unicode"

	"websockets/wasm/client"
)

// How a person looks, made from the user id and the name alone, so it is the
// same on every screen without anybody storing it.

// Hue returns a user's colour as degrees of the colour circle: one of 24, far
// enough apart to be told from each other.
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

// tagOf is the end of a user id, shown where two people have one name.
func tagOf(user string) string { return user[max(0, len(user)-4):] }

// Names knows which names are used by more than one person.
type Names map[string]string

// several is no user's id.
const several = "\x00"

// Add tells of a name that a user has.
func (n Names) Add(name, user string) {
	if known, ok := n[name]; ok && known != user {
		user = several
	}
	n[name] = user
}

// Tag returns what tells this user from others of the name, empty when nothing
// has to.
func (n Names) Tag(name, user string) string {
	if n[name] == several {
		return tagOf(user)
	}
	return ""
}

// NamesOf finds the names that several people have.
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
