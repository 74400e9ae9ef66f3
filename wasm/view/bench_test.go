package view

import (
	"testing"

	"websockets/wasm/client"
)

// BenchmarkShow: a message comes into a room that is full, and a frame is drawn.
func BenchmarkShow(b *testing.B) {
	const kept = 500 // by the client
	v := room(1, 2*kept)
	for i := range v.Room.Messages {
		v.Room.Messages[i].User = []string{"ann", "bob", "cem", "dee"}[i/3%4]
	}
	all := v.Room.Messages
	var t Timeline
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		v.Room.Messages = all[i%kept:][:kept]
		v.Room.Latest = v.Room.Messages
		if rows := t.Show(v, NamesOf(v), utc, false); len(rows) < endRows {
			b.Fatalf("rows: got %d, want more", len(rows))
		}
	}
}

// BenchmarkSpans: a message is taken apart for its row.
func BenchmarkSpans(b *testing.B) {
	for name, text := range map[string]string{
		"plain": "a line of a long conversation about nothing in particular",
		"link":  "a line, see https://example.com/1234 and `code`",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if len(Spans(text)) == 0 {
					b.Fatal("nothing")
				}
			}
		})
	}
}

// BenchmarkRooms: the column of rooms of somebody who is in one and sees 200.
func BenchmarkRooms(b *testing.B) {
	v := room(1, 100)
	for i := range 200 {
		v.Rooms = append(v.Rooms, client.RoomEntry{Name: "room-" + string(rune('a'+i%26)) + string(rune('a'+i/26))})
	}
	b.ReportAllocs()
	for b.Loop() {
		if len(RoomsOf(v, "", nil, nil).Rows) == 0 {
			b.Fatal("no rows")
		}
	}
}
