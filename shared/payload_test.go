package shared

import (
	"fmt"
	"strings"
	"testing"
)

// Every event type refuses a payload that is not an object.
func TestPayloadMustBeAnObject(t *testing.T) {
	for _, g := range goldens() {
		for _, payload := range []string{`null`, `[]`, `[{}]`, `"hi"`, `""`, `7`, `true`} {
			event, err := DecodeEvent([]byte(`{"type":"` + g.spec.Name + `","payload":` + payload + `}`))
			if err != nil {
				t.Fatal(err)
			}
			_, err = g.decode(event)
			if e := told(t, err); e.Code != CodeBadPayload || !strings.Contains(e.Message, g.spec.Name+" must be an object") {
				t.Errorf("%s with the payload %s: got %v, want %s", g.spec.Name, payload, e, CodeBadPayload)
			}
		}
	}
}

// A missing payload means {}. Some events accept that; others name the missing field.
func TestMissingPayload(t *testing.T) {
	code := map[string]string{
		"change_room": CodeBadRoom, "join_room": CodeBadRoom, "leave_room": CodeBadRoom, "mark_read": CodeBadRoom,
		"send_message": CodeBadMessage, "set_name": CodeBadName,
		"authenticate": CodeBadPayload, "refresh_token": CodeBadPayload,
		"load_history": "", "list_rooms": "", "typing": "", "ping": "", "set_topic": "",
	}
	for _, spec := range Catalogue() {
		if spec.Direction != ToServer {
			continue
		}
		want, ok := code[spec.Name]
		if !ok {
			t.Errorf("%s: want a line here that says what it means without a payload", spec.Name)
		}
		for _, frame := range []string{`{"type":"%s"}`, `{"type":"%s","payload":{}}`} {
			event, err := DecodeEvent(fmt.Appendf(nil, frame, spec.Name))
			if err != nil {
				t.Fatal(err)
			}
			err = everything(ToServer).Route(t.Context(), nil, event)
			switch {
			case want == "" && err != nil:
				t.Errorf("%s: got %v, want no error", event.Type, err)
			case want != "" && told(t, err).Code != want:
				t.Errorf("%s: got %v, want %s", event.Type, err, want)
			}
		}
	}
}

// The error for a field of the wrong type names the field and its path.
func TestWrongFieldIsNamed(t *testing.T) {
	// Each payload is valid except for the value of the field.
	fields := map[string]map[string][]string{
		"change_room": {
			"name":        {`{"name":7}`, `{"name":[]}`, `{"name":{}}`, `{"name":true}`, `{"NAME":7}`},
			"after":       {`{"name":"a","after":7}`, `{"name":"a","after":"x"}`, `{"name":"a","after":[]}`},
			"after.epoch": {`{"name":"a","after":{"epoch":1}}`},
			"after.seq":   {`{"name":"a","after":{"seq":"1"}}`, `{"name":"a","after":{"seq":-1}}`, `{"name":"a","after":{"seq":1.5}}`, `{"name":"a","after":{"seq":1e3}}`, `{"name":"a","after":{"seq":18446744073709551616}}`, `{"name":"a","after":{"seq":{}}}`},
			"after.id":    {`{"name":"a","after":{"id":1}}`},
		},
		"join_room":     {"name": {`{"name":7}`}, "after.seq": {`{"name":"a","after":{"seq":"1"}}`}},
		"leave_room":    {"name": {`{"name":7}`}},
		"send_message":  {"message": {`{"message":7}`, `{"message":["hi"]}`, `{"message":{"text":"hi"}}`}, "room": {`{"message":"hi","room":1}`}},
		"load_history":  {"room": {`{"room":1}`}, "before": {`{"before":"1"}`, `{"before":-1}`}, "after": {`{"after":{"seq":1}}`}, "limit": {`{"limit":"1"}`, `{"limit":0.5}`, `{"limit":1e99}`}},
		"list_rooms":    {"filter": {`{"filter":1}`}, "page": {`{"page":1}`}, "limit": {`{"limit":"1"}`}},
		"set_name":      {"name": {`{"name":1}`}},
		"set_topic":     {"topic": {`{"topic":1}`}, "room": {`{"room":1}`}},
		"typing":        {"room": {`{"room":1}`}},
		"mark_read":     {"room": {`{"room":1,"seq":1}`}, "seq": {`{"room":"a","seq":"1"}`, `{"room":"a","seq":-1}`}},
		"ping":          {},
		"authenticate":  {"token": {`{"token":1}`}},
		"refresh_token": {"token": {`{"token":{}}`}},
	}
	for _, spec := range Catalogue() {
		if _, ok := fields[spec.Name]; !ok && spec.Direction == ToServer {
			t.Errorf("%s: want a line here that gives its fields values of the wrong type", spec.Name)
		}
	}
	for name, fields := range fields {
		for field, payloads := range fields {
			for _, payload := range payloads {
				event, err := DecodeEvent([]byte(`{"type":"` + name + `","payload":` + payload + `}`))
				if err != nil {
					t.Fatal(err)
				}
				err = everything(ToServer).Route(t.Context(), nil, event)
				want := fmt.Sprintf("%s: the field %q must not be a JSON ", name, field)
				if e := told(t, err); e.Code != CodeBadPayload || !strings.HasPrefix(e.Message, want) {
					t.Errorf("%s: got %v, want %s: %s…", payload, err, CodeBadPayload, want)
				}
			}
		}
	}
}

// The client is as strict: it refuses an event with an invalid time.
func TestWrongTimeIsRefused(t *testing.T) {
	for _, sent := range []string{`"yesterday"`, `"2026-01-02"`, `1767323045`, `"2026-13-02T03:04:05Z"`, `""`} {
		_, err := NewMessage.Decode(Event{Type: "new_message", Payload: []byte(`{"id":"m1","room":"a","message":"hi","sent":` + sent + `}`)})
		if told(t, err).Code != CodeBadPayload {
			t.Errorf("sent %s: got %v, want %s", sent, err, CodeBadPayload)
		}
	}
}
