package main

import (
	"hash/fnv"
	"strconv"
	"strings"
	"unicode"

	"websockets/wasm/client"
)

// How a person looks, made from the user id and the name alone, so it is the
// same on every screen without anybody storing it.

// hueOf returns a user's colour as degrees of the colour circle: one of 24, far
// enough apart to be told from each other.
func hueOf(user string) string {
	h := fnv.New32a()
	h.Write([]byte(user))
	return strconv.Itoa(int(h.Sum32()%24) * 15)
}

// initials returns one or two letters for a name.
func initials(name string) string {
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

// namesakes knows which names are used by more than one person.
type namesakes map[string]string

// several is no user's id.
const several = "\x00"

func (n namesakes) add(name, user string) {
	if known, ok := n[name]; ok && known != user {
		user = several
	}
	n[name] = user
}

// tag returns what tells this user from others of the name, empty when nothing
// has to.
func (n namesakes) tag(name, user string) string {
	if n[name] == several {
		return tagOf(user)
	}
	return ""
}

// namesOf finds the names that several people have.
func namesOf(v client.View) namesakes {
	names := make(namesakes)
	if v.Me.User != "" {
		names.add(v.Me.Name, v.Me.User)
	}
	for _, m := range v.Room.Members {
		names.add(m.Name, m.User)
	}
	for _, m := range v.Room.Messages {
		names.add(m.From, m.User)
	}
	return names
}
