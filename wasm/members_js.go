package main

import (
	"strconv"
	"syscall/js"

	"websockets/wasm/client"
	"websockets/wasm/view"
)

// memberParts is the column of members. On small screens it covers the timeline.
type memberParts struct {
	list     *keyedList[memberRow]
	template js.Value
	toggle   js.Value
	number   *label // in the toggle
	noun     *label
	count    *label // in the column's head
	more     *label
	known    bool // the shown list is current
}

// memberRow holds the labels of a member's row.
type memberRow struct {
	avatar, name, tag *label
}

func newMemberParts() memberParts {
	return memberParts{
		list:     newKeyedList[memberRow](byID("member-list")),
		template: byID("t-member"),
		toggle:   byID("members-toggle"),
		number:   newLabel(byID("member-count")),
		noun:     newLabel(byID("member-word")),
		count:    newLabel(byID("count")),
		more:     newLabel(byID("member-more")),
	}
}

func (p *Page) drawMembers(v client.View, names view.Names) {
	parts := &p.members
	members := view.MembersOf(v, names)
	parts.number.set(members.Number)
	parts.noun.set(members.Noun)
	parts.count.set(members.Count)
	parts.more.showText(members.More)
	if known := members.Known; known != parts.known {
		parts.known = known
		parts.list.parent.Get("classList").Call("toggle", "online", known)
	}
	keys := make([]string, len(members.Rows))
	for i, m := range members.Rows {
		keys[i] = m.User
	}
	parts.list.reconcile(keys, func(i int) *item[memberRow] {
		element := clone(parts.template)
		setHue(element, view.Hue(members.Rows[i].User))
		return &item[memberRow]{element: element, data: memberRow{
			avatar: newLabel(find(element, ".avatar")),
			name:   newLabel(find(element, ".name")),
			tag:    newLabel(find(element, ".tag")),
		}}
	})
	for _, m := range members.Rows {
		row := parts.list.items[m.User].data
		row.avatar.set(view.Initials(m.Name))
		row.name.set(m.Name)
		row.tag.set(m.Tag)
	}
}

func (p *Page) listenToMembers() {
	listen(p.members.toggle, "click", func(js.Value) { p.post(func() { p.openMembers(!p.membersOpen()) }) })
	listen(byID("members-close"), "click", func(js.Value) { p.post(func() { p.openMembers(false) }) })
}

// membersOpen reports whether the members cover the timeline. On large screens there is
// no button for it.
func (p *Page) membersOpen() bool {
	return body().Get("dataset").Get("members").Equal(js.ValueOf("open")) && !p.members.toggle.Get("offsetParent").IsNull()
}

// openMembers opens or closes the members. When it closes them, the focus returns to
// the button.
func (p *Page) openMembers(open bool) {
	inside := byID("members").Call("contains", document.Get("activeElement")).Bool()
	state := "shut"
	if open {
		state = "open"
	}
	setData(body(), "members", state)
	p.members.toggle.Call("setAttribute", "aria-expanded", strconv.FormatBool(open))
	switch {
	case open:
		byID("members-close").Call("focus")
	case inside:
		p.members.toggle.Call("focus")
	}
}
