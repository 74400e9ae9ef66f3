package main

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"syscall/js"

	"websockets/shared"
	"websockets/wasm/client"
	"websockets/wasm/view"
)

// memberParts are the column of members, which lies over the timeline on a
// smaller screen.
type memberParts struct {
	list     *list[memberRow]
	template js.Value
	toggle   js.Value
	number   *label // in the toggle
	word     *label
	count    *label // in the column's head
	more     *label
}

// memberRow is a member in the column, with what it shows.
type memberRow struct {
	avatar, name, tag *label
}

func newMemberParts() memberParts {
	return memberParts{
		list:     newList[memberRow](byID("member-list")),
		template: byID("t-member"),
		toggle:   byID("members-toggle"),
		number:   newLabel(byID("member-count")),
		word:     newLabel(byID("member-word")),
		count:    newLabel(byID("count")),
		more:     newLabel(byID("member-more")),
	}
}

func (p *Page) drawMembers(v client.View, names view.Names) {
	parts := &p.members
	number, word := strconv.Itoa(v.Room.Count), "members"
	if v.Room.Count == 1 {
		word = "member"
	}
	parts.number.set(number)
	parts.word.set(word)
	if v.Room.Count == 0 {
		number = "" // not known yet
	}
	parts.count.set(number)

	// Oneself first, the others by name.
	members := slices.Clone(v.Room.Members)
	for i := range members {
		if members[i].User == v.Me.User {
			members[i].Name = v.Me.Name // known here before the others are told
		}
	}
	slices.SortFunc(members, func(a, b shared.Member) int {
		if mine := v.Me.User; (a.User == mine) != (b.User == mine) {
			if a.User == mine {
				return -1
			}
			return 1
		}
		return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(a.User, b.User))
	})
	keys := make([]string, len(members))
	for i, m := range members {
		keys[i] = m.User
	}
	parts.list.place(keys, func(i int) *child[memberRow] {
		element := clone(parts.template)
		setHue(element, view.Hue(members[i].User))
		return &child[memberRow]{element: element, data: memberRow{
			avatar: newLabel(find(element, ".avatar")),
			name:   newLabel(find(element, ".name")),
			tag:    newLabel(find(element, ".tag")),
		}}
	})
	for _, m := range members {
		row := parts.list.children[m.User].data
		row.avatar.set(view.Initials(m.Name))
		row.name.set(m.Name)
		tag := names.Tag(m.Name, m.User)
		if m.User == v.Me.User {
			tag = "you"
		}
		row.tag.set(tag)
	}
	rest := ""
	if n := v.Room.Count - len(members); n > 0 && v.Room.Synced {
		rest = "and " + strconv.Itoa(n) + " more"
	}
	parts.more.say(rest)
}

func (p *Page) listenToMembers() {
	listen(p.members.toggle, "click", func(js.Value) { p.post(func() { p.openMembers(!p.membersOpen()) }) })
	listen(byID("members-close"), "click", func(js.Value) { p.post(func() { p.openMembers(false) }) })
}

// membersOpen reports whether the members lie over the timeline: on a smaller
// screen, where there is a button for it.
func (p *Page) membersOpen() bool {
	return p.body.Get("dataset").Get("members").Equal(js.ValueOf("open")) && !p.members.toggle.Get("offsetParent").IsNull()
}

// openMembers opens or closes them. Who was in them goes back to the button.
func (p *Page) openMembers(open bool) {
	inside := byID("members").Call("contains", document.Get("activeElement")).Bool()
	state := "shut"
	if open {
		state = "open"
	}
	p.body.Get("dataset").Set("members", state)
	p.members.toggle.Call("setAttribute", "aria-expanded", strconv.FormatBool(open))
	switch {
	case open:
		byID("members-close").Call("focus")
	case inside:
		p.members.toggle.Call("focus")
	}
}
