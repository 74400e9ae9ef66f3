package shared

import (
	"encoding/json"
	"reflect"
	"strings"
	"sync"
)

// Unmarshal decodes untrusted JSON. Unlike json.Unmarshal it matches keys exactly: a
// key that differs from a known one only in case is an *Error with code "bad_json".
// It ignores other unknown keys. Duplicate keys, lone surrogates and nesting deeper
// than MaxNesting have that code too. Other errors are those of json.Unmarshal.
func Unmarshal(data []byte, value any) error { return unmarshal(data, value, false) }

// unmarshal is Unmarshal. With plainKeys it skips the check: the caller has found
// all keys to be plain.
func unmarshal(data []byte, value any, plainKeys bool) error {
	err := json.Unmarshal(data, value)
	if err != nil || plainKeys {
		return err
	}
	s := scanner{data: data}
	s.space()
	return s.value(1, keysOf(reflect.TypeOf(value)))
}

// keys maps the folded keys of a Go struct's fields to these fields. See foldKey.
type keys map[string]field

// field is a struct field: its JSON key, and the keys of the objects inside it.
type field struct {
	name string
	keys keys
}

// knownKeys caches keysOf by reflect.Type.
var knownKeys sync.Map

// keysOf returns the keys of type t, or of the elements if t is a pointer or slice.
// It reads tags like encoding/json, except that it does not support embedded
// structs: the catalogue has none. t must not be recursive.
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
