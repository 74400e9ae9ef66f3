package shared

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// told returns the *Error that a client would receive. It fails if err is not an *Error,
// or is too long: it quotes input.
func told(t testing.TB, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error", err)
	}
	if len(e.Message) == 0 || len(e.Message) > 256 {
		t.Errorf("text of an error: got %d bytes, want fewer: %.300s", len(e.Message), e.Message)
	}
	return e
}

// inPayload returns an otherwise valid event with a JSON value in its payload.
func inPayload(value string) string {
	return `{"type":"send_message","payload":{"message":"hi","more":` + value + `}}`
}

func nested(open, inside, end string, levels int) string {
	return strings.Repeat(open, levels) + inside + strings.Repeat(end, levels)
}

func TestDecodeEventAccepts(t *testing.T) {
	for name, frame := range map[string]string{
		"only a type":                `{"type":"ping"}`,
		"an unknown type":            `{"type":"never_heard"}`,
		"blanks":                     " \t\r\n{ \"type\" : \"ping\" ,\n\"payload\"\t: { } }\r\n",
		"an empty id":                `{"type":"ping","id":""}`,
		"a null id":                  `{"type":"ping","id":null}`,
		"an id of every character":   `{"type":"ping","id":"azAZ09_-"}`,
		"an id of 64":                `{"type":"ping","id":"` + strings.Repeat("x", 64) + `"}`,
		"an escaped id":              `{"type":"ping","id":"\u0061"}`,
		"32 levels of objects":       inPayload(nested(`{"a":`, "1", "}", 30)),
		"32 levels of arrays":        inPayload(nested("[", "", "]", 30)),
		"32 levels, again and again": inPayload("[" + strings.Repeat(nested("[", "", "]", 29)+",", 99) + "0]"),
		"a pair of surrogates":       inPayload(`"\ud83d\ude80 \uD83D\uDE80"`),
		"the replacement character":  inPayload(`"\ufffd"`),
		"every escape":               inPayload(`"\"\\\/\b\f\n\r\t\u00e9\u0000\uABCD\uabcd"`),
		"a brace in a string":        inPayload(`"}{]["`),
		"a key in two objects":       inPayload(`[{"a":1},{"a":{"a":1}},{"a":1}]`),
		"an empty key":               inPayload(`{"":1}`),
		"keys that only look alike":  inPayload(`{"id":1,"ıd":2,"İd":3,"i d":4,"i_d":5}`),
		"keys many and different":    inPayload(`{` + manyKeys(5000) + `}`),
		"the end of a key escaped":   inPayload(`{"a\\":1,"a\"":2,"a":3}`),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := DecodeEvent([]byte(frame)); err != nil {
				t.Errorf("%.200s: got %v, want no error", frame, err)
			}
		})
	}
	for _, number := range []string{"0", "-0", "1", "-1", "10", "0.0", "1.50", "-0.5", "1e5", "1E5", "1e+5", "1e-5", "0e0", "0.1e01", "1e999", strings.Repeat("9", 400)} {
		if _, err := DecodeEvent([]byte(inPayload(number))); err != nil {
			t.Errorf("the number %s: got %v, want no error", number, err)
		}
	}
}

func TestDecodeEventRefuses(t *testing.T) {
	for name, c := range map[string]struct{ frame, says string }{
		"nothing":              {``, "a JSON object"},
		"blanks":               {" \n", "a JSON object"},
		"a word":               {`hello`, "a JSON object"},
		"null":                 {`null`, "a JSON object"},
		"a string":             {`"ping"`, "a JSON object"},
		"a number":             {`1`, "a JSON object"},
		"an array":             {`[{"type":"ping"}]`, "a JSON object"},
		"a byte order mark":    {"\ufeff" + `{"type":"ping"}`, "a JSON object"},
		"an event and another": {`{"type":"ping"}{"type":"ping"}`, "more data at byte 15"},
		"an event and a comma": {`{"type":"ping"},`, "more data"},
		"an event and a brace": {`{"type":"ping"}}`, "more data"},
		"an event and a NUL":   {"{\"type\":\"ping\"}\x00", "more data"},

		"no type":                 {`{}`, "no type"},
		"an empty type":           {`{"type":""}`, "no type"},
		"a null type":             {`{"type":null}`, "no type"},
		"a type in capitals":      {`{"TYPE":"send_message"}`, `the key "TYPE" must be "type"`},
		"two types":               {`{"type":"ping","TYPE":"send_message"}`, `"TYPE"`},
		"a type that is a number": {`{"type":7}`, `the event's field "type" must not be a JSON number`},
		"a type that is an array": {`{"type":["ping"]}`, `"type"`},
		"an id that is a number":  {`{"type":"ping","id":7}`, `the event's field "id" must not be a JSON number`},
		"an id that is an object": {`{"type":"ping","id":{}}`, `"id"`},

		"nesting of 33 objects":     {inPayload(nested(`{"a":`, "1", "}", 31)), "deeper than 32"},
		"nesting of 33 arrays":      {inPayload(nested("[", "", "]", 31)), "deeper than 32"},
		"nesting of 33, mixed":      {inPayload(nested(`[{"a":`, "1", "}]", 15) + "," + `"b":[[]],"c":` + nested("[", "", "]", 31)), "deeper than 32"},
		"nesting of 10,000 objects": {inPayload(nested(`{"a":`, "1", "}", 10_000)), "deeper than 32"},
		"nesting of 10,000 arrays":  {inPayload(nested("[", "", "]", 10_000)), "deeper than 32"},
		"10,000 open arrays":        {strings.Repeat("[", 10_000), "a JSON object"},
		"10,000 open objects":       {strings.Repeat(`{"a":`, 10_000), "deeper than 32"},

		"half a pair":                    {inPayload(`"\ud83d"`), "lone surrogate"},
		"half a pair at the end":         {`{"type":"ping\ud83d`, "lone surrogate"},
		"the other half alone":           {inPayload(`"\ude80"`), "lone surrogate"},
		"a pair the wrong way round":     {inPayload(`"\ude80\ud83d"`), "lone surrogate"},
		"the same half twice":            {inPayload(`"\ud83d\ud83d"`), "lone surrogate"},
		"half a pair and a letter":       {inPayload(`"\ud83dx"`), "lone surrogate"},
		"half a pair and a line's end":   {inPayload(`"\ud83d\n"`), "lone surrogate"},
		"half a pair and a plain escape": {inPayload(`"\ud83d\u0041"`), "lone surrogate"},
		"half a pair in a key":           {inPayload(`{"\ud83d":1}`), "lone surrogate"},
		"half a pair in the type":        {`{"type":"\ud83d"}`, "lone surrogate"},

		"an escape of no letter": {inPayload(`"\x41"`), "unexpected 'x'"},
		"an escape of a quote":   {inPayload(`"\'"`), "invalid JSON"},
		"an escaped U":           {inPayload(`"\U0041"`), "invalid JSON"},
		"an escape of three":     {inPayload(`"\u041"`), "invalid JSON"},
		"an escape with a sign":  {inPayload(`"\u+041"`), "invalid JSON"},
		"an escape with a bar":   {inPayload(`"\u0_41"`), "invalid JSON"},
		"an escape of no hex":    {inPayload(`"\u00g0"`), "invalid JSON"},
		"a bare line's end":      {inPayload("\"a\nb\""), "invalid JSON"},
		"a bare tab":             {inPayload("\"a\tb\""), "invalid JSON"},
		"a bare NUL":             {inPayload("\"a\x00b\""), "invalid JSON"},
		"a NUL outside a string": {inPayload("\x00"), "invalid JSON"},

		"a comma before the end":     {`{"type":"ping",}`, "unexpected '}' at byte 15"},
		"a comma in front":           {`{,"type":"ping"}`, "unexpected ',' at byte 1"},
		"two commas":                 {`{"type":"ping",,"id":"1"}`, "invalid JSON"},
		"no comma":                   {`{"type":"ping" "id":"1"}`, "invalid JSON"},
		"no colon":                   {`{"type" "ping"}`, "invalid JSON"},
		"no value":                   {`{"type":}`, "invalid JSON"},
		"no key":                     {`{:"ping"}`, "invalid JSON"},
		"a key without quotes":       {`{type:"ping"}`, "unexpected 't' at byte 1"},
		"a key in other quotes":      {`{'type':"ping"}`, "invalid JSON"},
		"a key that is a number":     {`{1:"ping"}`, "invalid JSON"},
		"a comma at an array's end":  {inPayload(`[1,]`), "invalid JSON"},
		"a comma at an array's head": {inPayload(`[,1]`), "invalid JSON"},
		"an array ended as object":   {inPayload(`[1}`), "invalid JSON"},
		"an object ended as array":   {inPayload(`{"a":1]`), "invalid JSON"},
		"a comment":                  {`{"type":"ping"/**/}`, "invalid JSON"},
		"a blank that is none":       {"{\"type\":\u00a0\"ping\"}", "invalid JSON"},
		"a form feed":                {"{\f\"type\":\"ping\"}", "invalid JSON"},
		"half a word":                {inPayload(`tru`), "invalid JSON"},
		"a word too long":            {inPayload(`nulll`), "invalid JSON"},
		"a word in capitals":         {inPayload(`True`), "invalid JSON"},
		"undefined":                  {inPayload(`undefined`), "invalid JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := DecodeEvent([]byte(c.frame))
			if e := told(t, err); e.Code != CodeBadJSON || !strings.Contains(e.Message, c.says) {
				t.Errorf("%.200s: got %v, want %s about %q", c.frame, err, CodeBadJSON, c.says)
			}
		})
	}
	for _, number := range []string{"-", "+1", "01", "-01", "00", ".5", "5.", "-.5", "1.e5", "1e", "1e+", "1e-", "1e5.5", "0x10", "1_000", "1,000", "NaN", "Infinity", "-Infinity", "- 1", "1 2", "--1", "1-", "٣"} {
		_, err := DecodeEvent([]byte(inPayload(number)))
		if e := told(t, err); e.Code != CodeBadJSON || !strings.HasPrefix(e.Message, "invalid JSON") {
			t.Errorf("the number %s: got %v, want %s", number, err, CodeBadJSON)
		}
	}
}

func TestDecodeEventRefusesDuplicateKeys(t *testing.T) {
	long := strings.Repeat("k", 30_000)
	for name, frame := range map[string]string{
		"the type":                `{"type":"ping","type":"ping"}`,
		"the type, other case":    `{"type":"ping","TYPE":"send_message"}`,
		"the type, one capital":   `{"Type":"ping","type":"ping"}`,
		"the type, escaped":       `{"type":"ping","ty\u0070e":"send_message"}`,
		"the type, both":          `{"type":"ping","TY\u0050E":"send_message"}`,
		"the payload":             `{"type":"ping","payload":{},"payload":{}}`,
		"the id":                  `{"id":"1","type":"ping","id":"1"}`,
		"an unknown field":        `{"type":"ping","x":1,"x":1}`,
		"an empty key":            inPayload(`{"":1,"":1}`),
		"a field of the payload":  `{"type":"send_message","payload":{"message":"a","message":"b"}}`,
		"the same, other case":    `{"type":"send_message","payload":{"message":"a","mesſage":"b"}}`,
		"the Kelvin sign":         inPayload(`{"k":1,"K":2}`),
		"the Kelvin sign escaped": inPayload(`{"k":1,"\u212a":2}`),
		"Greek sigmas":            inPayload(`{"Σ":1,"ς":2}`),
		"sharp s, small and big":  inPayload(`{"ß":1,"ẞ":2}`),
		"a rocket, escaped":       inPayload(`{"🚀":1,"\ud83d\ude80":2}`),
		"a quote, escaped twice":  inPayload(`{"\"":1,"\u0022":2}`),
		"a slash, escaped":        inPayload(`{"/":1,"\/":2}`),
		"deep inside":             inPayload(nested(`[{"a":`, `{"b":1,"c":[],"b":2}`, `}]`, 14)),
		"after an inner object":   inPayload(`{"a":{"b":1},"a":1}`),
		"the 8th":                 inPayload(`{` + manyKeys(7) + `,"k0":1}`),
		"the 9th is the first":    inPayload(`{` + manyKeys(8) + `,"k0":1}`),
		"the 9th is the 8th":      inPayload(`{` + manyKeys(8) + `,"K7":1}`),
		"the 10th is the 9th":     inPayload(`{` + manyKeys(9) + `,"k8":1}`),
		"the last of 5,000":       inPayload(`{` + manyKeys(4999) + `,"k\u0030":1}`),
		"a long one":              inPayload(`{"` + long + `":1,"` + long + `":1}`),
		"not UTF-8, both":         inPayload("{\"\xff\":1,\"\xfe\":2}"),
	} {
		t.Run(name, func(t *testing.T) {
			event, err := DecodeEvent([]byte(frame))
			if e := told(t, err); e.Code != CodeBadJSON || !strings.HasPrefix(e.Message, "duplicate key") {
				t.Errorf("got %v, want %s about a duplicate key", err, CodeBadJSON)
			}
			if event.ID != "" {
				t.Errorf("id of a frame that can be read in two ways: got %q, want none", event.ID)
			}
		})
	}
}

// manyKeys returns n members of an object: "k0":0,"k1":1 and so on.
func manyKeys(n int) string {
	members := make([]string, n)
	for i := range members {
		members[i] = fmt.Sprintf(`"k%d":%d`, i, i)
	}
	return strings.Join(members, ",")
}

// Two keys count as the same exactly if encoding/json, which ignores case, takes them for
// the same. All runes that fold to each other have the same folded rune.
func TestFoldedKeyMatchesEncodingJSON(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if r == '\\' || !utf8.ValidRune(r) {
			continue // no key alone
		}
		_, folded := new(scanner).foldKey([]byte(string(r)))
		key := string(folded)
		if !strings.EqualFold(key, string(r)) {
			t.Errorf("foldKey(%q): got %q, want one that encoding/json takes for the same", r, key)
		}
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			if _, got := new(scanner).foldKey([]byte(string(other))); string(got) != key {
				t.Errorf("foldKey(%q): got %q, want %q as for %q", other, got, key, r)
			}
		}
	}
}

// The strict check of an ordinary event does not allocate.
func TestCheckStrictDoesNotAllocate(t *testing.T) {
	frame := []byte(inPayload(`{"a":[1,"\u00e9"],"b":{}}`))
	if n := testing.AllocsPerRun(100, func() { _, _ = checkStrict(frame) }); n != 0 {
		t.Errorf("allocations: got %v, want 0", n)
	}
}

func TestDecodeEventRefusesIDs(t *testing.T) {
	for _, id := range []string{strings.Repeat("x", 65), "a b", " a", "a\\n", "a.b", "a/b", "ü", "\\u0000", "🚀", "*", ">"} {
		event, err := DecodeEvent([]byte(`{"type":"ping","payload":{},"id":"` + id + `"}`))
		if told(t, err).Code != CodeBadID {
			t.Errorf("the id %q: got %v, want %s", id, err, CodeBadID)
		}
		if event.ID != "" {
			t.Errorf("the id %q: got it handed on as %q, want none: an answer would carry it", id, event.ID)
		}
	}
}

// An error has the id of the event whenever the id can be decoded.
func TestRefusedEventKeepsItsID(t *testing.T) {
	for frame, want := range map[string]string{
		`{"type":7,"id":"a1"}`:             "a1",
		`{"id":"a1","type":[]}`:            "a1",
		`{"id":"a1","payload":{}}`:         "a1",
		`{"id":"a1","type":""}`:            "a1",
		`{"TYPE":"ping","id":"a1"}`:        "a1",
		`{"id":"not one","type":7}`:        "",
		`{"id":7,"type":"ping"}`:           "",
		`{"id":"a1","type":"ping"`:         "",
		`{"id":"a1","type":"ping","id":1}`: "",
	} {
		event, err := DecodeEvent([]byte(frame))
		if told(t, err); event.ID != want {
			t.Errorf("%s: id %q, want %q", frame, event.ID, want)
		}
	}
}

// A truncated frame is never accepted.
func TestDecodeEventRefusesTruncatedFrame(t *testing.T) {
	for _, g := range goldens() {
		frame := g.read(t)
		for n := range frame {
			if _, err := DecodeEvent(frame[:n]); told(t, err).Code != CodeBadJSON {
				t.Fatalf("%s cut to %d bytes: got %v, want %s", g.file, n, err, CodeBadJSON)
			}
		}
	}
}

// Errors are useful and short, whatever they quote.
func TestErrorsAreShort(t *testing.T) {
	long := strings.Repeat("9", 60_000)
	for _, frame := range []string{
		`{"type":` + long + `}`,
		`{"type":"ping","id":` + long + `}`,
		`{"type":"ping","id":"` + long + `"}`,
		`{"` + long + `":1,"` + long + `":2}`,
		inPayload(`{"` + strings.Repeat("\U0010ffff", 9000) + `":1,"` + strings.Repeat("\U0010ffff", 9000) + `":2}`),
		`{"type":"mark_read","payload":{"room":"a","seq":` + long + `}}`,
		`{"type":"mark_read","payload":{"room":"` + long + `","seq":1}}`,
		`{"type":"set_name","payload":{"name":"` + long + `"}}`,
		`{"type":"send_message","payload":{"message":"` + long + `"}}`,
		`{"type":"` + long + `"}`,
		`{"type":"` + strings.Repeat("\U0010ffff", 9000) + `"}`,
	} {
		event, err := DecodeEvent([]byte(frame))
		if err == nil {
			err = everything(ToServer).Route(t.Context(), nil, event)
		}
		told(t, err)
	}
}
