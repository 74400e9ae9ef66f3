package shared

import (
	"encoding/json"
	"reflect"
	"strings"
	"sync"
)

// Unmarshal is json.Unmarshal for objects from outside. Unknown keys are ignored,
// but a key that differs from a known one only in case, which encoding/json would
// take for that, is an *Error with code "bad_json". So is what DecodeEvent refuses
// in an event, as a key that stands twice. Other errors are those of json.Unmarshal.
func Unmarshal(data []byte, value any) error { return unmarshal(data, value, false) }

// unmarshal is Unmarshal for data whose keys may be known to be plain already.
func unmarshal(data []byte, value any, plainKeys bool) error {
	err := json.Unmarshal(data, value)
	if err != nil || plainKeys {
		return err
	}
	s := scanner{data: data}
	s.space()
	return s.value(1, keysOf(reflect.TypeOf(value)))
}

// keys are the keys of a JSON object that its Go type has fields for, as foldKey
// folds them.
type keys map[string]field

// field is one of a type's fields: its key, and the keys of the objects in it.
type field struct {
	name string
	keys keys
}

// knownKeys holds the keys of each type that was read, by its reflect.Type.
var knownKeys sync.Map

// keysOf returns the keys of the objects that a value of type t is or holds. It
// reads tags as encoding/json does but for embedded structs, of which the catalogue
// has none, and must not be given a recursive type.
func keysOf(t reflect.Type) keys {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	if known, ok := knownKeys.Load(t); ok {
		return known.(keys)
	}
	known := keys{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			name = f.Name
		}
		if f.IsExported() && name != "-" {
			_, folded := new(scanner).foldKey([]byte(name))
			known[string(folded)] = field{name, keysOf(f.Type)}
		}
	}
	knownKeys.Store(t, known)
	return known
}
