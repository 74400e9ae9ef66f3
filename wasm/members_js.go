package main

import (
	"strconv"
	"syscall/js"

	"websockets/wasm/client"
	"websockets/wasm/view"
)

// memberList is the column of members. On small screens it covers the timeline.
type memberList struct {
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

func newMemberList(l *loop) *memberList {
	m := &memberList{
		list:     newKeyedList[memberRow](byID("member-list")),
		template: byID("t-member"),
		toggle:   byID("members-toggle"),
		number:   newLabel(byID("member-count")),
		noun:     newLabel(byID("member-word")),
		count:    newLabel(byID("count")),
		more:     newLabel(byID("member-more")),
	}
	listen(m.toggle, "click", func(js.Value) { l.post(func() { m.setOpen(!m.isOpen()) }) })
	listen(byID("members-close"), "click", func(js.Value) { l.post(func() { m.setOpen(false) }) })
	return m
}

func (m *memberList) draw(v client.View, names view.Names) {
	members := view.MembersOf(v, names)
	m.number.set(members.Number)
	m.noun.set(members.Noun)
	m.count.set(members.Count)
	m.more.showText(members.More)
	if known := members.Known; known != m.known {
		m.known = known
		m.list.parent.Get("classList").Call("toggle", "online", known)
	}
	keys := make([]string, len(members.Rows))
	for i, row := range members.Rows {
		keys[i] = row.User
	}
	m.list.reconcile(keys, func(i int) *item[memberRow] {
		element := clone(m.template)
		setHue(element, view.Hue(members.Rows[i].User))
		return &item[memberRow]{element: element, data: memberRow{
			avatar: newLabel(find(element, ".avatar")),
			name:   newLabel(find(element, ".name")),
			tag:    newLabel(find(element, ".tag")),
		}}
	})
	for _, row := range members.Rows {
		labels := m.list.items[row.User].data
		labels.avatar.set(view.Initials(row.Name))
		labels.name.set(row.Name)
		labels.tag.set(row.Tag)
	}
}

// isOpen reports whether the members cover the timeline. On large screens there is no
// button for it.
func (m *memberList) isOpen() bool {
	return body().Get("dataset").Get("members").Equal(js.ValueOf("open")) && !m.toggle.Get("offsetParent").IsNull()
}

// setOpen opens or closes the members. When it closes them, the focus returns
// to the button.
func (m *memberList) setOpen(open bool) {
	inside := byID("members").Call("contains", document.Get("activeElement")).Bool()
	state := "shut"
	if open {
		state = "open"
	}
	setData(body(), "members", state)
	m.toggle.Call("setAttribute", "aria-expanded", strconv.FormatBool(open))
	switch {
	case open:
		byID("members-close").Call("focus")
	case inside:
		m.toggle.Call("focus")
	}
}
