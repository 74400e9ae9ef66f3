package shared

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// Event is one text frame on the wire: {"type":"…","payload":{…},"id":"…"}.
type Event struct {
	// Type is the name of the event type in the catalogue.
	Type string `json:"type"`
	// Payload is a JSON object. A missing payload means {}.
	Payload json.RawMessage `json:"payload,omitempty"`
	// ID is optional: 1 to 64 characters of A-Z a-z 0-9 _ -. An event with an id gets
	// exactly one answer, which has the same id.
	ID string `json:"id,omitempty"`

	// plainKeys is true if DecodeEvent found only plain keys. The catalogue's keys are
	// plain, so no key can differ from one of them only in case.
	plainKeys bool
}

// Direction says which side receives an event type.
type Direction string

const (
	ToServer Direction = "to server"
	ToClient Direction = "to client"
)

// Type binds an event type's name and direction to the Go type of its payload. Its
// values are the variables of the catalogue. They are read-only and safe for
// concurrent use.
type Type[T any] struct {
	name      string
	direction Direction
}

// Name returns the name that Event.Type contains.
func (t Type[T]) Name() string { return t.name }

// Frame returns the event as one text frame. id may be empty. Frame does not
// validate the payload: the receiver does.
//
// It panics if T cannot be encoded as JSON. That depends on the catalogue alone,
// never on data from the network, and a test encodes every type.
func (t Type[T]) Frame(id string, payload T) []byte {
	return encodeFrame(t.name, id, payload)
}

// encodeFrame and decodePayload are apart from the generic methods so that the page does
// not have their code once for each event type.
func encodeFrame(name, id string, payload any) []byte {
	if plain, ok := payload.(interface{ appendJSON([]byte) []byte }); ok {
		frame := make([]byte, 0, 256)
		frame = append(append(append(frame, `{"type":"`...), name...), `","payload":`...)
		frame = plain.appendJSON(frame)
		if id != "" {
			frame = appendString(append(frame, `,"id":`...), id)
		}
		return append(frame, '}')
	}
	return encode(struct {
		Type    string `json:"type"`
		Payload any    `json:"payload"`
		ID      string `json:"id,omitempty"`
	}{name, payload, id})
}

// Decode decodes and validates the event's payload. The error is an *Error. Its
// code is "bad_payload", "bad_json" for a key in the wrong case, or the code of the
// payload's Validate.
func (t Type[T]) Decode(e Event) (T, error) {
	var payload T
	err := decodePayload(t.name, e, &payload)
	return payload, err
}

// decodePayload decodes the payload of an event into what payload points to.
func decodePayload(name string, e Event, payload any) error {
	if len(e.Payload) > 0 && e.Payload[0] != '{' {
		return Errorf(CodeBadPayload, "the payload of %s must be an object", name)
	}
	plain, ok := payload.(interface{ setPlain(key, value []byte) bool })
	if !ok || !plainFields(e.Payload, plain.setPlain) {
		reflect.ValueOf(payload).Elem().SetZero() // setPlain may have set some fields
		if len(e.Payload) > 0 {
			err := unmarshal(e.Payload, payload, e.plainKeys)
			if err != nil {
				return badPayload(name, err)
			}
		}
	}
	if v, ok := payload.(interface{ Validate() error }); ok {
		return v.Validate()
	}
	return nil
}

func badPayload(eventType string, err error) error {
	var refusal *Error
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &refusal):
		return refusal
	case errors.As(err, &wrong):
		return Errorf(CodeBadPayload, "%s: the field %q must not be a JSON %s", eventType, wrong.Field, Clip(wrong.Value, MaxIDLength))
	}
	return Errorf(CodeBadPayload, "%s: the payload has the wrong shape: %v", eventType, err)
}

// DecodeEvent decodes one text frame strictly. The frame must be a single JSON
// object without duplicate keys, without lone surrogates, nested at most MaxNesting
// levels deep, with type, payload and id in lower case and a well-formed id. The
// payload stays encoded: Type.Decode decodes it.
//
// The error is an *Error with code "bad_json" or "bad_id". If the id could be read,
// the returned event has it, so that the answer can carry it. The event does not
// retain frame.
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
		return e, Errorf(CodeBadJSON, `the event has no type: an event is {"type":"…","payload":{…},"id":"…"}`)
	}
	return e, nil
}

func badEnvelope(err error) error {
	var refusal *Error
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &refusal):
		return refusal
	case errors.As(err, &wrong) && wrong.Field != "":
		return Errorf(CodeBadJSON, "the event's field %q must not be a JSON %s", wrong.Field, Clip(wrong.Value, MaxIDLength))
	}
	return Errorf(CodeBadJSON, `an event is {"type":"…","payload":{…},"id":"…"}`)
}

// EncodeJSON returns v as JSON without escaping <, > and &. People read frames in
// DevTools, and no program interprets them as HTML. Its errors are those of
// json.Marshal.
func EncodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// encode is EncodeJSON for values that can always be encoded.
func encode(v any) []byte {
	text, err := EncodeJSON(v)
	if err != nil {
		panic(fmt.Sprintf("shared: cannot encode %T as JSON: %v", v, err))
	}
	return text
}
