package view

import (
	"testing"

	"websockets/shared"
	"websockets/wasm/client"
)

func TestMembers(t *testing.T) {
	v := client.View{State: client.Online, Me: client.Me{User: "me-1234", Name: "Zoe"}, Room: client.RoomView{
		Synced: true, Count: 6,
		Members: []shared.Member{
			{User: "u-3333", Name: "cem"}, {User: "u-2222", Name: "Ann"}, {User: "me-1234", Name: "Guest"}, {User: "u-1111", Name: "Ann"},
		},
	}}
	m := MembersOf(v, NamesOf(v))
	got := ""
	for _, row := range m.Rows {
		got += row.Name + " " + row.Tag + "\n"
	}
	if want := "Zoe you\nAnn 1111\nAnn 2222\ncem \n"; got != want {
		t.Errorf("the members are\n%s\nwant\n%s", got, want)
	}
	if m.Number != "6" || m.Noun != "members" || m.Count != "6 online" || !m.Known || m.More != "and 2 more" {
		t.Errorf("words: got %+v, want 6 members, known, and 2 more", m)
	}

	v.State = client.Offline
	if m := MembersOf(v, NamesOf(v)); m.Known || m.Count != "6, last known" {
		t.Errorf("words without a connection: got %+v, want 6, last known", m)
	}
	v.Room = client.RoomView{Count: 1}
	if m := MembersOf(v, NamesOf(v)); m.Noun != "member" || m.More != "" {
		t.Errorf("words of one: got %+v, want one member and no more", m)
	}
	if m := MembersOf(client.View{}, nil); m.Count != "" || m.Known {
		t.Errorf("words before anything is known: got %+v, want none", m)
	}
}

func TestWhoIsTyping(t *testing.T) {
	member := func(name string) shared.Member { return shared.Member{User: name, Name: name} }
	for _, test := range []struct {
		who  []shared.Member
		want string
	}{
		{nil, ""},
		{[]shared.Member{member("Ada")}, "Ada is typing…"},
		{[]shared.Member{member("Ada"), member("Bob")}, "Ada and Bob are typing…"},
		{[]shared.Member{member("Ada"), member("Bob"), member("Cem")}, "Ada, Bob and Cem are typing…"},
		{[]shared.Member{member("a"), member("b"), member("c"), member("d")}, "Several people are typing…"},
		// Names from right to left reorder neither each other nor the sentence.
		{[]shared.Member{member("דנה"), member("Ada"), member("سمير")}, "\u2068דנה\u2069, Ada and \u2068سمير\u2069 are typing…"},
	} {
		if got := Typing(test.who); got != test.want {
			t.Errorf("%d: got %q, want %q", len(test.who), got, test.want)
		}
	}
}
