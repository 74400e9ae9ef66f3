package view

import "testing"

func TestInitials(t *testing.T) {
	for name, want := range map[string]string{
		"Ada Lovelace": "AL", "grace": "G", "Kōji 光司": "K光", "anna maria rossi": "AM",
		"(Bob) -": "B", "🦊": "🦊", "": "", "42 is": "4I",
	} {
		if got := Initials(name); got != want {
			t.Errorf("the initials of %q: got %q, want %q", name, got, want)
		}
	}
}

func TestNamesakesAreToldApart(t *testing.T) {
	names := make(Names)
	names.Add("Ada", "user-1111")
	names.Add("Bob", "user-2222")
	if tag := names.Tag("Ada", "user-1111"); tag != "" {
		t.Errorf("tag of the only Ada: got %q, want none", tag)
	}
	names.Add("Ada", "user-3333")
	names.Add("Ada", "user-1111")
	if a, b := names.Tag("Ada", "user-1111"), names.Tag("Ada", "user-3333"); a != "1111" || b != "3333" {
		t.Errorf("tags of two of one name: got %q and %q, want 1111 and 3333", a, b)
	}
	if tag := names.Tag("Bob", "user-2222"); tag != "" {
		t.Errorf("tag of the only Bob: got %q, want none", tag)
	}
}
