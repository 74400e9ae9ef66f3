package jetstream_test

import (
	"fmt"
	"slices"
	"testing"
)

func TestNewestTellsTheRoomsWrittenToSince(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	rooms := []string{"a", "b", "c"}
	for i := range 3 {
		put(t, l, rooms[0], fmt.Sprint("a", i), "a")
	}
	mark := put(t, l, rooms[1], "b", "b").Seq
	last := put(t, l, rooms[2], "c", "c").Seq
	for _, test := range []struct {
		seq  uint64
		want []string // the rooms
	}{{0, rooms}, {mark, rooms[2:]}, {last, nil}} {
		entries, looked, err := l.Newest(t.Context(), 0, test.seq)
		if err != nil || looked != last {
			t.Fatalf("Newest(%d) looked up to %d, %v, want %d", test.seq, looked, err, last)
		}
		var got []string
		for _, e := range entries {
			if n := len(got); n == 0 || got[n-1] != e.Room {
				got = append(got, e.Room)
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("Newest(%d) has %q, want %q", test.seq, got, test.want)
		}
	}
}

// TestAQuietRoomIsListedBesideABusyOne: also one that was last written to long ago, and if
// there are more rooms than JetStream responds to.
func TestAQuietRoomIsListedBesideABusyOne(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	var rooms []string
	for i := range 1101 {
		rooms = append(rooms, fmt.Sprint("room-", i))
	}
	put(t, l, rooms[0], "quiet", "quiet")
	appendAll(t, l, 700, func(i int) (room, key, body string) { return rooms[1], fmt.Sprint("busy", i), "busy" })
	listed := func() (names []string) {
		entries, _, err := l.Newest(t.Context(), 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if !slices.Contains(names, e.Room) {
				names = append(names, e.Room)
			}
		}
		return names
	}
	if got := listed(); !slices.Equal(got, rooms[:2]) {
		t.Errorf("listed are %q, want %q", got, rooms[:2])
	}
	others := rooms[2:]
	appendAll(t, l, len(others), func(i int) (room, key, body string) { return others[i], fmt.Sprint("one", i), "one" })
	if got := listed(); !slices.Equal(got, rooms) {
		t.Errorf("listed are %d rooms from %q on, want all %d", len(got), got[:min(1, len(got))], len(rooms))
	}
}
