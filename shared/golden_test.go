package shared

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// testdata has one frame in each file, exactly as it is on the wire. The file name
// consists of the direction, the type, and after a hyphen what is special about the
// frame.
//
//go:embed testdata/*.json
var testdata embed.FS

// golden is the meaning of a frame in testdata. The tests both encode and decode it,
// natively and under GOOS=js.
type golden struct {
	file    string
	spec    Spec
	id      string
	payload any
	frame   func() []byte              // the payload by Type.Frame
	decode  func(Event) (any, error)   // by Type.Decode
	reframe func(Event) (string, bool) // decoded, and framed again; false if it does not decode
	ignore  func(*Registry[any])       // sets a handler that does nothing
}

// means returns a golden. special is the part of the file name after the hyphen, or
// empty.
func means[T any](typ Type[T], special, id string, payload T) golden {
	file := strings.ReplaceAll(string(typ.direction), " ", "_") + "_" + typ.name
	if special != "" {
		file += "-" + special
	}
	spec, _ := Find(typ.direction, typ.name)
	return golden{
		file: file + ".json", spec: spec, id: id, payload: payload,
		frame:  func() []byte { return typ.Frame(id, payload) },
		decode: func(e Event) (any, error) { return typ.Decode(e) },
		reframe: func(e Event) (string, bool) {
			again, err := typ.Decode(e)
			if err != nil {
				return "", false
			}
			return string(typ.Frame(e.ID, again)), true
		},
		ignore: func(r *Registry[any]) {
			On(r, typ, func(context.Context, any, T) error { return nil })
		},
	}
}

var (
	noon   = time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	limits = Limits{MessageLength: 4096, FrameBytes: 65536, Rooms: 128, InFlight: 256}
	zoe    = Member{User: "u7", Name: "Zoë"}
	ann    = Member{User: "u8", Name: "Ann"}
	first  = Message{Seq: 41, ID: "m41", Room: "lobby", User: "u7", From: "Zoë", Message: "hi", Sent: noon}
	topic  = TopicPayload{Seq: 42, ID: "t1", Room: "lobby", User: "u7", From: "Zoë", Topic: "Release on Friday 🎉", Sent: noon}
	second = Message{Seq: 43, ID: "m43", Room: "lobby", User: "u8", From: "Ann", Message: "<hello>", Sent: noon.Add(994 * time.Millisecond)}
)

func at(seq uint64, id string) Cursor { return Cursor{Epoch: "k3J9", Seq: seq, ID: id} }

// goldens has at least one entry for each event type.
func goldens() []golden {
	cursor, start := at(41, "m41"), at(0, "")
	return []golden{
		means(ChangeRoom, "", "", JoinPayload{Name: "lobby"}),
		means(ChangeRoom, "after", "c1", JoinPayload{Name: "lobby", After: &cursor}),
		means(JoinRoom, "", "j1", JoinPayload{Name: "lobby"}),
		means(JoinRoom, "after-nothing", "j2", JoinPayload{Name: "lobby", After: &start}),
		means(LeaveRoom, "", "l1", LeavePayload{Name: "lobby"}),
		means(SendMessage, "", "", SendMessagePayload{Message: "hi"}),
		means(SendMessage, "room", "AZaz09_-", SendMessagePayload{Room: "go-team_2", Message: "hi"}),
		means(SendMessage, "text", "s2", SendMessagePayload{Message: "<b>R&D</b> \"a\\b\"\n\tGrüße, 世界 👩\u200d🚀\u2028\x01\b\f/"}),
		means(LoadHistory, "", "h1", LoadHistoryPayload{}),
		means(LoadHistory, "before", "h2", LoadHistoryPayload{Room: "lobby", Before: 1<<64 - 1, Limit: 200}),
		means(LoadHistory, "after", "h3", LoadHistoryPayload{Room: "lobby", After: 7, Limit: 1}),
		means(ListRooms, "", "r1", ListRoomsPayload{}),
		means(ListRooms, "filter", "r2", ListRoomsPayload{Filter: "go"}),
		means(ListRooms, "page", "r3", ListRoomsPayload{Filter: "go", Page: "eyJuIjoiZ28ifQ", Limit: 50}),
		means(SetName, "", "n1", SetNamePayload{Name: "Zoë 🦊"}),
		means(SetTopic, "", "t1", SetTopicPayload{Room: "lobby", Topic: "Release on Friday 🎉"}),
		means(SetTopic, "none", "t2", SetTopicPayload{}),
		means(StartTyping, "", "", RoomPayload{}),
		means(StartTyping, "room", "", RoomPayload{Room: "lobby"}),
		means(MarkRead, "", "k1", MarkReadPayload{Room: "lobby", Seq: 41}),
		means(Ping, "", "", Empty{}),
		means(Ping, "id", "p1", Empty{}),
		means(Authenticate, "", "a1", TokenPayload{Token: "eyJhbGciOiJFUzI1NiJ9.e30.c2ln"}),
		means(RefreshToken, "", "a2", TokenPayload{Token: "eyJhbGciOiJFUzI1NiJ9.e30.c2ln"}),

		means(Welcome, "", "", WelcomePayload{User: "u7", Name: "guest 7", Limits: limits, Heartbeat: 25, Version: "v1.2.3"}),
		means(Welcome, "session", "", WelcomePayload{User: "u7", Name: "Zoë", Named: true, Limits: limits, Heartbeat: 25.5, Version: "v1.2.3", Session: "u7.c2ln"}),
		means(Welcome, "dedupe", "", WelcomePayload{User: "u7", Name: "guest 7", Limits: limits, Heartbeat: 25, Version: "v1.2.3", Dedupe: Dedupe{Seconds: 86400, Messages: 1 << 20}}),
		means(RoomJoined, "", "", RoomJoinedPayload{Room: "lobby", Cursor: start, State: StateNew, Count: 1, Members: []Member{zoe}}),
		means(RoomJoined, "current", "c1", RoomJoinedPayload{Room: "lobby", Cursor: cursor, State: StateCurrent, Count: 2, Members: []Member{zoe, ann}}),
		means(RoomJoined, "recovered", "c1", RoomJoinedPayload{Room: "lobby", Cursor: cursor, State: StateRecovered, Count: 1, Members: []Member{zoe}}),
		means(RoomJoined, "truncated", "c1", RoomJoinedPayload{Room: "lobby", Cursor: cursor, State: StateTruncated, Truncated: &Truncated{After: 41, First: 90}, Count: 1, Members: []Member{zoe}}),
		means(RoomJoined, "reset", "c1", RoomJoinedPayload{Room: "lobby", Cursor: Cursor{Epoch: "Qw8z", Seq: 3, ID: "m3"}, State: StateReset, Members: []Member{}}),
		means(RoomJoined, "topic", "c1", RoomJoinedPayload{Room: "lobby", Cursor: cursor, State: StateCurrent, Count: 1, Members: []Member{zoe}, Topic: &topic}),
		means(Synced, "", "", SyncedPayload{Room: "lobby", Cursor: at(43, "m43")}),
		means(History, "", "h1", HistoryPayload{Room: "lobby", Messages: []Message{first, second}, More: true}),
		means(History, "empty", "h1", HistoryPayload{Room: "lobby", Messages: []Message{}}),
		means(NewMessage, "", "", first),
		means(TopicChanged, "", "", topic),
		means(Presence, "", "", PresencePayload{Room: "lobby", Joined: []Member{ann}, Left: []string{"u7"}, Count: 12}),
		means(Presence, "count", "", PresencePayload{Room: "lobby"}),
		means(Typing, "", "", TypingPayload{Room: "lobby", User: "u7", Name: "Zoë"}),
		means(Read, "", "", MarkReadPayload{Room: "lobby", Seq: 41}),
		means(Left, "", "l1", LeavePayload{Name: "lobby"}),
		means(Rooms, "", "r1", RoomsPayload{Rooms: []RoomSummary{
			{Name: "lobby", LastActivity: noon, Unread: MaxUnread + 1},
			{Name: "go-team_2", LastActivity: time.Date(2025, 12, 31, 23, 59, 59, 999e6, time.UTC)},
		}}),
		means(Rooms, "none", "r1", RoomsPayload{Rooms: []RoomSummary{}}),
		means(Rooms, "next", "r3", RoomsPayload{Rooms: []RoomSummary{{Name: "go-team_2", LastActivity: noon}}, Next: "eyJuIjoiZ28ifQ"}),
		means(Ack, "", "n1", AckPayload{}),
		means(Ack, "message", "m41", AckPayload{Room: "lobby", Seq: 41, Sent: noon}),
		means(Pong, "", "p1", Empty{}),
		means(Failed, "", "", Error{Code: CodeBadJSON, Message: "not JSON: it ends in the middle"}),
		means(Failed, "retry", "s2", Error{Code: CodeRateLimited, Message: "too many events: wait 2 s", RetryAfter: 1.5}),
		means(Closing, "", "", ClosingPayload{Reason: "the server restarts", RetryAfter: 1}),
		means(Closing, "at-once", "", ClosingPayload{Reason: "the server restarts"}),
	}
}

// read returns the golden frame's bytes.
func (g golden) read(t testing.TB) []byte {
	t.Helper()
	frame, err := testdata.ReadFile("testdata/" + g.file)
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

func TestGoldenFrames(t *testing.T) {
	for _, g := range goldens() {
		t.Run(g.file, func(t *testing.T) {
			want := g.read(t)
			if got := g.frame(); string(got) != string(want) {
				t.Errorf("encoded\n got %s\nwant %s", got, want)
			}
			event, err := DecodeEvent(want)
			if err != nil {
				t.Fatal(err)
			}
			if event.Type != g.spec.Name || event.ID != g.id {
				t.Errorf("decoded: type %q, id %q; want %q, %q", event.Type, event.ID, g.spec.Name, g.id)
			}
			payload, err := g.decode(event)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(payload, g.payload) {
				t.Errorf("decoded\n got %#v\nwant %#v", payload, g.payload)
			}
		})
	}
}

// The test names each event type without a golden frame, and each file that no entry
// uses.
func TestEveryEventHasAGoldenFrame(t *testing.T) {
	for _, spec := range unframed(Catalogue(), goldens()) {
		t.Errorf("%s (%s): want a golden frame: add a file to testdata and a line to goldens", spec.Name, spec.Direction)
	}
	files, err := fs.Glob(testdata, "testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !slices.ContainsFunc(goldens(), func(g golden) bool { return "testdata/"+g.file == file }) {
			t.Errorf("%s: want a line of goldens that reads it", file)
		}
	}
}

func unframed(catalogue []Spec, have []golden) []Spec {
	return slices.DeleteFunc(catalogue, func(spec Spec) bool {
		return slices.ContainsFunc(have, func(g golden) bool { return g.spec == spec })
	})
}

// An event type that exists in one direction does not count for the other.
func TestUnframedErrorNamesEvent(t *testing.T) {
	forgotten := []Spec{{Name: "forgotten", Direction: ToServer}, {Name: "ping", Direction: ToClient}}
	got := unframed(append(Catalogue(), forgotten...), goldens())
	if !slices.Equal(got, forgotten) {
		t.Errorf("got %v, want %v", got, forgotten)
	}
}

func TestCatalogueNames(t *testing.T) {
	seen := map[Spec]bool{}
	for _, spec := range Catalogue() {
		if seen[spec] {
			t.Errorf("%s in the catalogue, %s: got it twice, want it once", spec.Name, spec.Direction)
		}
		seen[spec] = true
		if spec.Name == "" || strings.Trim(spec.Name, "abcdefghijklmnopqrstuvwxyz_") != "" {
			t.Errorf("name of a type: got %q, want a-z and _ only", spec.Name)
		}
		if spec.Direction != ToServer && spec.Direction != ToClient {
			t.Errorf("direction of %s: got %q, want one of the two", spec.Name, spec.Direction)
		}
	}
	if ChangeRoom.Name() != "change_room" || !seen[Spec{Name: "change_room", Direction: ToServer, Answer: "room_joined"}] {
		t.Error("change_room: want it in the catalogue under its name")
	}
	for _, spec := range Catalogue() {
		if got, ok := Find(spec.Direction, spec.Name); !ok || got != spec {
			t.Errorf("Find(%s, %s): got %+v, %v, want %+v", spec.Direction, spec.Name, got, ok, spec)
		}
		if want := spec.Name == "new_message" || spec.Name == "topic_changed"; spec.Durable != want {
			t.Errorf("%s, %s, durable: got %v, want %v", spec.Name, spec.Direction, spec.Durable, want)
		}
	}
	if spec, ok := Find(ToServer, "new_message"); ok {
		t.Errorf("new_message to the server: got %+v, want none", spec)
	}
	Catalogue()[0].Name = "changed"
	if Catalogue()[0].Name == "changed" {
		t.Error("Catalogue after a caller changed its result: got the change, want a copy")
	}
}

// In the log, a message is the same JSON without its sequence, which the log assigns.
func TestMessageEncode(t *testing.T) {
	kept := first
	kept.Seq = 0
	for _, c := range []struct {
		message Message
		want    string
	}{
		{first, `{"seq":41,"id":"m41","room":"lobby","user":"u7","from":"Zoë","message":"hi","sent":"2026-01-02T03:04:05.006Z"}`},
		{kept, `{"id":"m41","room":"lobby","user":"u7","from":"Zoë","message":"hi","sent":"2026-01-02T03:04:05.006Z"}`},
	} {
		if got := string(c.message.Encode()); got != c.want {
			t.Errorf("\n got %s\nwant %s", got, c.want)
		}
	}
}

// Fields of a newer version are ignored, so either side may be the older one.
func TestUnknownFieldsAreIgnored(t *testing.T) {
	event, err := DecodeEvent([]byte(` {"trace":{"a":[1,2]},"type":"send_message","payload":{"message":"hi","mood":"good"},"id":"1"} `))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := SendMessage.Decode(event)
	if err != nil || payload != (SendMessagePayload{Message: "hi"}) {
		t.Errorf("got %+v, %v, want hi", payload, err)
	}
}

// The buffer of a frame is reused for the next one, so an event must not refer to it.
func TestEventDoesNotAliasFrame(t *testing.T) {
	frame := []byte(`{"type":"set_name","payload":{"name":"Ann"},"id":"n1"}`)
	event, err := DecodeEvent(frame)
	if err != nil {
		t.Fatal(err)
	}
	clear(frame)
	payload, err := SetName.Decode(event)
	if got := fmt.Sprintf("%s %s %v %v", event.Type, event.ID, payload, err); got != "set_name n1 {Ann} <nil>" {
		t.Errorf("got %s, want set_name n1 {Ann} <nil>", got)
	}
}
