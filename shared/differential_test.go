package shared

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
)

// wellFormed asks encoding/json, an independent implementation, whether a frame is valid
// JSON and whether an object in it has a duplicate key.
func wellFormed(frame []byte) (valid, twice bool) {
	if !json.Valid(frame) {
		return false, false
	}
	type level struct {
		object, value bool // value: the next token is a value, not a key
		keys          []string
	}
	var stack []level
	decoder := json.NewDecoder(bytes.NewReader(frame))
	decoder.UseNumber()
	for {
		token, err := decoder.Token()
		if err != nil {
			return true, false
		}
		if token == json.Delim('}') || token == json.Delim(']') {
			stack = stack[:len(stack)-1]
			continue
		}
		if n := len(stack) - 1; n >= 0 && stack[n].object {
			top := &stack[n]
			if key, ok := token.(string); ok && !top.value {
				for _, seen := range top.keys {
					if strings.EqualFold(seen, key) {
						return true, true
					}
				}
				top.keys, top.value = append(top.keys, key), true
				continue
			}
			top.value = false
		}
		if token == json.Delim('{') || token == json.Delim('[') {
			stack = append(stack, level{object: token == json.Delim('{')})
		}
	}
}

// compare fails if DecodeEvent and encoding/json disagree about a frame. DecodeEvent must
// not accept invalid JSON, duplicate keys, or a type under another key. It must not call
// a valid frame invalid JSON or report a duplicate key in it.
func compare(t *testing.T, frame []byte) (accepted bool) {
	t.Helper()
	valid, twice := wellFormed(frame)
	_, strictErr := checkStrict(frame)
	event, err := DecodeEvent(frame)
	switch {
	case !valid && strictErr == nil: // encoding/json, which comes after it, does not make up for it
		t.Errorf("checkStrict(%q): got no error, want one: it is not JSON", frame)
	case err == nil && !valid:
		t.Errorf("%q: got it accepted, want it refused: it is not JSON", frame)
	case err == nil && twice:
		t.Errorf("%q: got it accepted, want it refused: it has a key twice", frame)
	case err == nil:
		var exact map[string]json.RawMessage // map keys keep their case
		var want string
		err := json.Unmarshal(frame, &exact)
		if err == nil {
			err = json.Unmarshal(exact["type"], &want)
		}
		if err != nil || event.Type != want {
			t.Errorf("%q: got the type %q, want %q (%v)", frame, event.Type, want, err)
		}
	default:
		e := told(t, err)
		if valid && strings.HasPrefix(e.Message, "invalid JSON") {
			t.Errorf("%q: got %v, want it accepted as JSON", frame, e)
		}
		if valid && !twice && strings.HasPrefix(e.Message, "duplicate key") {
			t.Errorf("%q: got %v, want another refusal: it has no key twice", frame, e)
		}
	}
	return err == nil
}

// TestDecodeEventAgainstEncodingJSON changes valid frames at random places and compares.
// The seed is fixed, so a failure can be repeated.
func TestDecodeEventAgainstEncodingJSON(t *testing.T) {
	seeds := [][]byte{
		[]byte(inPayload(`[1,-0.5e+3,true,false,null,"\ud83d\ude80\n",{},[],{"a":{"b":[0]}}]`)),
		[]byte(inPayload(`{` + manyKeys(10) + `}`)),
	}
	for _, g := range goldens() {
		seeds = append(seeds, g.read(t))
	}
	pieces := strings.Split(`{ } [ ] : , " \ \u \ud83d \ude80 \u0041 0 1 9 - + . e E true null nul "a":1 "type":"x" ,"a":1,"A":1 {} [] k K \x é 🚀 /`, " ")
	pieces = append(pieces, " ", "\n", "\t", "\x00", "\x1f", "\xff", "\u2028")
	random := rand.New(rand.NewPCG(1, 2))
	const rounds = 10_000
	accepted := 0
	for range rounds {
		frame := bytes.Clone(seeds[random.IntN(len(seeds))])
		for range 1 + random.IntN(3) {
			from := random.IntN(len(frame) + 1)
			to := min(len(frame), from+random.IntN(4))
			var put []byte
			if random.IntN(3) > 0 {
				put = []byte(pieces[random.IntN(len(pieces))])
			}
			frame = bytes.Join([][]byte{frame[:from], put, frame[to:]}, nil)
		}
		if compare(t, frame) {
			accepted++
		}
		if t.Failed() {
			return
		}
	}
	if accepted < rounds/20 || accepted > rounds*19/20 {
		t.Errorf("accepted frames: got %d of %d, want both kinds", accepted, rounds)
	}
}
