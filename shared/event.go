// Package shared is the wire contract: what an event is, which events exist,
// what they carry, and how a received event finds its handler. The server, the
// browser client and every test compile this one package, so the two ends of a
// connection cannot disagree.
//
// It uses the standard library only and neither net/http nor syscall/js, so it
// builds wherever Go builds and adds little to the wasm.
package shared

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// Event is one text frame on the wire: {"type":"…","payload":{…},"id":"…"}.
type Event struct {
	// Type is the event type's name as the catalogue has it.
	Type string `json:"type"`
	// Payload is a JSON object whose shape Type decides. Missing means {}.
	Payload json.RawMessage `json:"payload,omitempty"`
	// ID is optional: 1 to 64 of A-Z a-z 0-9 _ -. An event that carries one gets
	// exactly one answer that carries the same one.
	ID string `json:"id,omitempty"`

	// plainKeys: DecodeEvent has seen that all keys are plain, as the catalogue's
	// are, so that none of them is in the wrong case.
	plainKeys bool
}

// Direction says which side receives an event type.
type Direction string

const (
	ToServer Direction = "to server"
	ToClient Direction = "to client"
)

// Type binds an event type's name and direction to the Go type of its payload.
// Its values are the variables of the catalogue; they are read-only and may be
// used from any goroutine.
type Type[T any] struct {
	name      string
	direction Direction
}

// Name returns the name that stands in Event.Type.
func (t Type[T]) Name() string { return t.name }

// Frame returns the event as the bytes of one text frame. id may be empty. The
// payload is not validated: the receiver does that.
//
// It panics if T cannot be written as JSON, which depends on the catalogue
// alone and never on what came from the network; a test encodes every type.
func (t Type[T]) Frame(id string, payload T) []byte {
	if plain, ok := any(payload).(interface{ appendJSON([]byte) []byte }); ok {
		frame := make([]byte, 0, 256)
		frame = append(append(append(frame, `{"type":"`...), t.name...), `","payload":`...)
		frame = plain.appendJSON(frame)
		if id != "" {
			frame = appendString(append(frame, `,"id":`...), id)
		}
		return append(frame, '}')
	}
	return encode(struct {
		Type    string `json:"type"`
		Payload T      `json:"payload"`
		ID      string `json:"id,omitempty"`
	}{t.name, payload, id})
}

// Decode reads the event's payload and validates it. The error is an *Error
// whose code is "bad_payload", "bad_json" for a key in the wrong case, or the one
// the payload's Validate chose.
func (t Type[T]) Decode(e Event) (T, error) {
	var payload T
	if len(e.Payload) > 0 && e.Payload[0] != '{' {
		return payload, Errorf(CodeBadPayload, "the payload of %s must be an object", t.name)
	}
	if plain, ok := any(&payload).(interface{ setPlain(key, value []byte) bool }); !ok || !plainFields(e.Payload, plain.setPlain) {
		payload = *new(T)
		if len(e.Payload) > 0 {
			if err := unmarshal(e.Payload, &payload, e.plainKeys); err != nil {
				return payload, badPayload(t.name, err)
			}
		}
	}
	if v, ok := any(payload).(interface{ Validate() error }); ok {
		if err := v.Validate(); err != nil {
			return payload, err
		}
	}
	return payload, nil
}

func badPayload(eventType string, err error) error {
	var told *Error
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &told):
		return told
	case errors.As(err, &wrong):
		return Errorf(CodeBadPayload, "%s: the field %q cannot be a JSON %s", eventType, wrong.Field, Clip(wrong.Value, MaxIDLength))
	}
	return Errorf(CodeBadPayload, "%s: the payload has the wrong shape: %v", eventType, err)
}

// DecodeEvent reads one text frame strictly: valid JSON, one object and nothing
// after it, no key twice in any object, type, payload and id in lower case, no
// nesting beyond MaxNesting, no lone surrogates, a well-formed id. The payload
// stays as it came; a handler's Type decodes it. The error is an *Error with code
// "bad_json" or "bad_id"; the event returned beside it carries the id if one could
// be read, so that the answer can name it.
//
// Nothing of the event shares frame's memory.
func DecodeEvent(frame []byte) (Event, error) {
	plainKeys, err := checkStrict(frame)
	if err != nil {
		return Event{}, err
	}
	e, plain := plainEvent(frame)
	if !plain {
		e = Event{}
		if err := unmarshal(frame, &e, plainKeys); err != nil {
			if !validID(e.ID) {
				e.ID = ""
			}
			return Event{ID: e.ID}, badEnvelope(err)
		}
	}
	e.plainKeys = plainKeys
	if e.ID != "" {
		if err := ValidateID(e.ID); err != nil {
			e.ID = ""
			return e, err
		}
	}
	if e.Type == "" {
		return e, Errorf(CodeBadJSON, `an event is {"type":"…","payload":{…},"id":"…"}: this one has no type`)
	}
	return e, nil
}

func badEnvelope(err error) error {
	var told *Error
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &told):
		return told
	case errors.As(err, &wrong) && wrong.Field != "":
		return Errorf(CodeBadJSON, "the field %q of an event cannot be a JSON %s", wrong.Field, Clip(wrong.Value, MaxIDLength))
	}
	return Errorf(CodeBadJSON, `an event is {"type":"…","payload":{…},"id":"…"}`)
}

// EncodeJSON returns v as JSON and leaves <, > and & as they are: frames are read by
// people in DevTools, and never as HTML by a program. Its errors are those of
// json.Marshal.
func EncodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// encode is EncodeJSON for values that can always be written.
func encode(v any) []byte {
	text, err := EncodeJSON(v)
	if err != nil {
		panic(fmt.Sprintf("shared: %T cannot be written as JSON: %v", v, err))
	}
	return text
}
