package shared

import (
	"encoding/json"
	"errors"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// goldenKey matches a key in a golden frame. No text in them looks like a key.
var goldenKey = regexp.MustCompile(`"[a-z_]+":`)

// otherCases returns the spellings of a key that encoding/json takes for the same key.
func otherCases(key string) []string {
	title := strings.ToUpper(key[:1]) + key[1:]
	cases := []string{title, strings.ToUpper(key), `\u00` + strconv.FormatInt(int64(title[0]), 16) + key[1:]}
	for letter, other := range map[string]string{"s": "ſ", "k": "\u212a"} { // long s, Kelvin sign
		if strings.Contains(key, letter) {
			cases = append(cases, strings.Replace(key, letter, other, 1))
		}
	}
	return cases
}

// Every key of every event, at any depth, is refused in another case, with and without
// the correct key beside it.
func TestKeysMatchExactly(t *testing.T) {
	for _, g := range goldens() {
		frame := string(g.read(t))
		for _, at := range goldenKey.FindAllStringIndex(frame, -1) {
			name := frame[at[0]+1 : at[1]-2]
			for _, other := range otherCases(name) {
				alone := frame[:at[0]] + `"` + other + `":` + frame[at[1]:]
				before := frame[:at[0]] + `"` + other + `":null,` + frame[at[0]:]
				for _, frame := range []string{alone, before} {
					event, err := DecodeEvent([]byte(frame))
					if err == nil {
						_, err = g.decode(event)
					}
					if e := told(t, err); e.Code != CodeBadJSON || !strings.Contains(e.Message, strconv.Quote(name)) {
						t.Errorf("%s: got %v, want %s that names the key %s", frame, e, CodeBadJSON, name)
					}
				}
			}
		}
	}
}

// checkPlain fails for each key that is not plain.
func checkPlain(t *testing.T, known keys) {
	t.Helper()
	for folded, field := range known {
		if plain := strings.Trim(field.name, "abcdefghijklmnopqrstuvwxyz_") == ""; !plain || folded != field.name {
			t.Errorf("key: got %q, want a-z and _ only, so that in another case it is not plain", field.name)
		}
		checkPlain(t, field.keys)
	}
}

// All keys of the catalogue are plain. So only keys of a frame that are not plain have to
// be compared with them.
func TestKeysArePlain(t *testing.T) {
	checkPlain(t, keysOf(reflect.TypeFor[Event]()))
	for _, g := range goldens() {
		known := keysOf(reflect.TypeOf(g.payload))
		checkPlain(t, known)
		for _, at := range goldenKey.FindAllString(string(g.read(t)), -1) {
			if !has(known, at[1:len(at)-2]) && !has(keysOf(reflect.TypeFor[Event]()), at[1:len(at)-2]) {
				t.Errorf("%s: got no field for the key %s, want one", g.file, at)
			}
		}
	}
}

// has reports whether an object, or one inside it, may have the key.
func has(known keys, name string) bool {
	for _, field := range known {
		if field.name == name || has(field.keys, name) {
			return true
		}
	}
	return false
}

// A key that is unknown in an object is ignored in any case, even if another object has
// it.
func TestUnknownKeysAreIgnoredInAnyCase(t *testing.T) {
	for _, frame := range []string{
		`{"type":"ping","MESSAGE":1}`,
		`{"type":"ping","payload":{"TYPE":"send_message","Message":1}}`,
		`{"type":"send_message","payload":{"message":"hi","Type":1,"Seq":"x"}}`,
		`{"type":"send_message","payload":{"message":"hi","more":{"MESSAGE":1,"Room":[{"Room":1}]}}}`,
		`{"type":"join_room","payload":{"name":"a","more":[{"Name":1}],"after":{"epoch":"e","seq":0,"Name":1}}}`,
		`{"type":"ping","more":{"Type":"x"}}`,
		`{"type":"send_message","p\u0061yload":{"m\u0065ssage":"hi"}}`,
	} {
		event, err := DecodeEvent([]byte(frame))
		if err == nil {
			err = everything(ToServer).Route(t.Context(), nil, event)
		}
		if err != nil {
			t.Errorf("%s: got %v, want no error", frame, err)
		}
	}
}

func TestUnmarshal(t *testing.T) {
	type inner struct{ Plain int }
	type value struct {
		Named int `json:"inCamelCase,omitempty"`
		Inner []*inner
		None  int `json:"-"`
	}
	for object, want := range map[string]string{
		` {"inCamelCase":1} `:               "",
		`{"Inner":[{"Plain":1}],"more":[]}`: "",
		`{"None":1,"NONE2":1}`:              "",
		`{"INCAMELCASE":1}`:                 `"inCamelCase"`,
		`{"inner":[]}`:                      `"Inner"`,
		`{"Inner":[{"plain":1}]}`:           `"Plain"`,
	} {
		err := Unmarshal([]byte(object), new(value))
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: got %v, want no error", object, err)
		case want != "" && !strings.Contains(told(t, err).Message, want):
			t.Errorf("%s: got %v, want an error that names %s", object, err, want)
		}
	}
	var wrong *json.UnmarshalTypeError
	if err := Unmarshal([]byte(`{"inCamelCase":"x"}`), new(value)); !errors.As(err, &wrong) {
		t.Errorf("a value of the wrong type: got %v, want a %T", err, wrong)
	}
}
