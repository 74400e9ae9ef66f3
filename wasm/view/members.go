package view

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"websockets/shared"
	"websockets/wasm/client"
)

// Members is the content of the column of members.
type Members struct {
	Number, Noun string // of the button: 2 members
	Count        string // of the heading: 2 online
	Known        bool   // the list is current
	Rows         []MemberRow
	More         string // "and 3 more", empty if there is a row for each member
}

// MemberRow is a user in the room. A user with several open pages has one row.
type MemberRow struct {
	User, Name, Tag string
}

// MembersOf lists the members of the current room: the reader first, the others by
// name. All members are online. Without a connection, the list is the last known one.
func MembersOf(v client.View, names Names) Members {
	room := v.Room
	m := Members{Number: strconv.Itoa(room.Count), Noun: "members", Known: v.State == client.Online && room.Refused == nil}
	if room.Count == 1 {
		m.Noun = "member"
	}
	switch {
	case room.Count == 0: // not known yet
	case m.Known:
		m.Count = m.Number + " online"
	default:
		m.Count = m.Number + ", last known"
	}
	for _, member := range room.Members {
		row := MemberRow{member.User, member.Name, names.Tag(member.Name, member.User)}
		if member.User == v.Me.User {
			row.Name, row.Tag = v.Me.Name, "you" // a new name is known here first
		}
		m.Rows = append(m.Rows, row)
	}
	slices.SortStableFunc(m.Rows, func(a, b MemberRow) int {
		if mine := v.Me.User; (a.User == mine) != (b.User == mine) {
			if a.User == mine {
				return -1
			}
			return 1
		}
		return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(a.User, b.User))
	})
	if n := room.Count - len(m.Rows); n > 0 && room.Synced {
		m.More = "and " + strconv.Itoa(n) + " more"
	}
	return m
}

// Typing says who is typing, empty if nobody is.
func Typing(who []shared.Member) string {
	names := make([]string, len(who))
	for i, m := range who {
		names[i] = isolate(m.Name)
	}
	switch len(names) {
	case 0:
		return ""
	case 1:
		return names[0] + " is typing…"
	case 2, 3:
		return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1] + " are typing…"
	}
	return "Several people are typing…"
}
