package shared

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

// texts are strings that need no escapes in JSON, and strings that do.
var texts = []string{
	"", "hi", "ж 🚀 é", "<b>&amp;</b>", "a\"b", `a\b`, "a\nb", "\x00", "\x7f", "\u2028", "\u2029", "\ufffd", "\xff", "a\xc3", "/",
	strings.Repeat("long ", 900),
}

var times = []time.Time{
	{}, time.UnixMilli(1).UTC(), time.Date(2026, 11, 23, 9, 8, 7, 120e6, time.UTC), time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600)),
}

// plainPayloads returns payloads that are encoded or decoded by hand.
func plainPayloads(text string, sent time.Time) (Message, AckPayload, SendMessagePayload) {
	seq := uint64(len(text))
	return Message{Seq: seq, ID: text, Room: text, User: "u", From: text, Message: text, Sent: sent},
		AckPayload{Room: text, Seq: seq, Sent: sent},
		SendMessagePayload{Room: text, Message: text}
}

// Encoding by hand gives the same bytes as encoding/json.
func TestPlainEncodingMatchesEncodingJSON(t *testing.T) {
	for _, text := range texts {
		for _, sent := range times {
			message, ack, _ := plainPayloads(text, sent)
			if got, want := message.appendJSON(nil), encode(message); !bytes.Equal(got, want) {
				t.Errorf("got %s\nwant %s", got, want)
			}
			if got, want := ack.appendJSON(nil), encode(ack); !bytes.Equal(got, want) {
				t.Errorf("got %s\nwant %s", got, want)
			}
			got := Ack.Frame(text, ack)
			if want := encode(map[string]any{"type": "ack"}); !bytes.HasPrefix(got, want[:len(want)-1]) || !json.Valid(got) {
				t.Errorf("got %s, want valid JSON that begins with %s", got, want[:len(want)-1])
			}
		}
	}
}

// readAlike fails if decoding a payload by hand gives another result than encoding/json.
func readAlike[T any](t *testing.T, payload []byte) {
	t.Helper()
	var got, want T
	if !plainFields(payload, any(&got).(interface{ setPlain(key, value []byte) bool }).setPlain) {
		return
	}
	if err := json.Unmarshal(payload, &want); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%q is %+v by hand, %+v to encoding/json (%v)", payload, got, want, err)
	}
}

// eventAlike fails if decoding an event by hand gives another result than encoding/json.
func eventAlike(t *testing.T, frame []byte) {
	t.Helper()
	if _, err := checkStrict(frame); err != nil {
		return
	}
	got, ok := plainEvent(frame)
	if !ok {
		return
	}
	var want Event
	if err := json.Unmarshal(frame, &want); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%q is %+v by hand, %+v to encoding/json (%v)", frame, got, want, err)
	}
	readAlike[Message](t, got.Payload)
	readAlike[SendMessagePayload](t, got.Payload)
}

// Decoding by hand gives the same result as encoding/json. FuzzEvent tries more inputs.
func TestPlainDecodingMatchesEncodingJSON(t *testing.T) {
	for _, text := range texts {
		for _, sent := range times {
			message, _, send := plainPayloads(text, sent)
			readAlike[Message](t, encode(message))
			readAlike[SendMessagePayload](t, encode(send))
			eventAlike(t, NewMessage.Frame(text, message))
			eventAlike(t, SendMessage.Frame(text, send))
		}
	}
	for _, payload := range []string{
		`{}`, ` {"room":"a"}`, `{"room":"a"} `, `{"room":"a","room":"b"}`, `{"room":"","room":"b"}`, `{"room":null}`, `{"Room":"a"}`, `{"message":"a","x":1}`,
		`{"seq":01}`, `{"seq":-1}`, `{"seq":1.5}`, `{"seq":1e3}`, `{"seq":"1"}`, `{"seq":18446744073709551616}`, `{"seq":0}`,
		`{"sent":null}`, `{"sent":"2026-11-23"}`, `{"sent":"2026-11-23T09:08:07Z"}`, `{"sent":"2026-11-23T09:08:07,5Z"}`, `{"sent":"0001-01-01T00:00:00Z","sent":"2026-11-23T09:08:07Z"}`,
		`{"room":"a",}`, `{"room":"a"`, `{"room":}`, `{"room" :"a"}`, `{`, ``, `[]`, `null`,
	} {
		readAlike[Message](t, []byte(payload))
		readAlike[SendMessagePayload](t, []byte(payload))
	}
}

// Ordinary frames are encoded and decoded by hand.
func TestOrdinaryMessagesArePlain(t *testing.T) {
	message, _, send := plainPayloads("hi ж 🚀", times[2])
	for _, frame := range [][]byte{NewMessage.Frame("", message), SendMessage.Frame("id", send)} {
		e, ok := plainEvent(frame)
		if !ok {
			t.Fatalf("%s: got a frame that is not plain, want a plain one", frame)
		}
		if !plainFields(e.Payload, new(Message).setPlain) && !plainFields(e.Payload, new(SendMessagePayload).setPlain) {
			t.Errorf("%s: got fields that are not plain, want plain ones", e.Payload)
		}
	}
}
