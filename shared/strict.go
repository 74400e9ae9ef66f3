package shared

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxNesting is how deep arrays and objects may be nested in an event, including
// the event's own object.
const MaxNesting = 32

// checkStrict refuses JSON that encoding/json accepts but that two decoders could
// read differently: duplicate keys, nesting deeper than MaxNesting, lone surrogates
// and data after the value. Keys that differ only in case count as duplicates,
// because encoding/json ignores case.
//
// It reports whether all keys are plain: ASCII, without capitals and escapes.
//
// encoding/json/v2 refuses most of this by itself and can replace it once a Go
// release has it outside GOEXPERIMENT.
func checkStrict(data []byte) (plainKeys bool, err error) {
	s := scanner{data: data}
	s.space()
	if s.peek() != '{' {
		return false, Errorf(CodeBadJSON, `an event is a JSON object: {"type":"…","payload":{…},"id":"…"}`)
	}
	if err := s.value(1, nil); err != nil {
		return false, err
	}
	s.space()
	if s.pos < len(s.data) {
		return false, Errorf(CodeBadJSON, "a frame contains one event: there is more data at byte %d", s.pos)
	}
	return !s.folded, nil
}

// scanner reads JSON once, left to right. It keeps only the keys of the objects that
// it is inside of.
type scanner struct {
	data   []byte
	pos    int
	folded bool // some key was not plain
}

// peek returns the next byte, or 0 at the end: 0 is never valid outside a string.
func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

func (s *scanner) syntax() error {
	if s.pos >= len(s.data) {
		return Errorf(CodeBadJSON, "invalid JSON: unexpected end")
	}
	return Errorf(CodeBadJSON, "invalid JSON: unexpected %s at byte %d", strconv.QuoteRune(rune(s.data[s.pos])), s.pos)
}

// value reads one value. known are the keys of the value if it is an object, or of
// its elements if it is an array.
func (s *scanner) value(depth int, known keys) error {
	switch c := s.peek(); {
	case c == '{' || c == '[':
		if depth > MaxNesting {
			return Errorf(CodeBadJSON, "the JSON is nested deeper than %d levels", MaxNesting)
		}
		if c == '{' {
			return s.object(depth, known)
		}
		return s.array(depth, known)
	case c == '"':
		_, err := s.str()
		return err
	case c == '-' || '0' <= c && c <= '9':
		return s.number()
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if bytes.HasPrefix(s.data[s.pos:], []byte(word)) {
			s.pos += len(word)
			return nil
		}
	}
	return s.syntax()
}

func (s *scanner) object(depth int, known keys) error {
	s.pos++ // {
	var seen keySet
	s.space()
	if s.peek() == '}' {
		s.pos++
		return nil
	}
	for {
		s.space()
		if s.peek() != '"' {
			return s.syntax()
		}
		raw, err := s.str()
		if err != nil {
			return err
		}
		key, folded := s.foldKey(raw)
		if !seen.add(folded) {
			return Errorf(CodeBadJSON, "duplicate key %q", Clip(string(raw), MaxIDLength))
		}
		match, ok := known[string(folded)]
		if ok && match.name != string(key) {
			return Errorf(CodeBadJSON, "the key %q must be %q: keys are case-sensitive", key, match.name)
		}
		s.space()
		if s.peek() != ':' {
			return s.syntax()
		}
		s.pos++
		s.space()
		if err := s.value(depth+1, match.keys); err != nil {
			return err
		}
		s.space()
		switch s.peek() {
		case ',':
			s.pos++
		case '}':
			s.pos++
			return nil
		default:
			return s.syntax()
		}
	}
}

func (s *scanner) array(depth int, known keys) error {
	s.pos++ // [
	s.space()
	if s.peek() == ']' {
		s.pos++
		return nil
	}
	for {
		s.space()
		if err := s.value(depth+1, known); err != nil {
			return err
		}
		s.space()
		switch s.peek() {
		case ',':
			s.pos++
		case ']':
			s.pos++
			return nil
		default:
			return s.syntax()
		}
	}
}

// str reads a string and returns the bytes between its quotes. It leaves escapes
// alone.
func (s *scanner) str() ([]byte, error) {
	s.pos++ // "
	start := s.pos
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case c == '"':
			s.pos++
			return s.data[start : s.pos-1], nil
		case c < ' ':
			return nil, s.syntax()
		case c == '\\':
			if err := s.escape(); err != nil {
				return nil, err
			}
		default:
			s.pos++
		}
	}
	return nil, s.syntax()
}

func (s *scanner) escape() error {
	s.pos++ // backslash
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos++
		return nil
	case 'u':
	default:
		return s.syntax()
	}
	first, ok := s.hex4()
	if !ok {
		return s.syntax()
	}
	if !utf16.IsSurrogate(first) {
		return nil
	}
	at := s.pos
	if s.peek() == '\\' {
		s.pos++
		if second, ok := s.hex4(); ok && utf16.DecodeRune(first, second) != utf8.RuneError {
			return nil
		}
	}
	return Errorf(CodeBadJSON, "a lone surrogate is not valid text: before byte %d", at)
}

// hex4 reads uXXXX.
func (s *scanner) hex4() (rune, bool) {
	if s.peek() != 'u' || s.pos+5 > len(s.data) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(s.data[s.pos+1:s.pos+5]), 16, 32)
	if err != nil {
		return 0, false
	}
	s.pos += 5
	return rune(n), true
}

func (s *scanner) number() error {
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++
	} else if !s.digits() {
		return s.syntax()
	}
	if s.peek() == '.' {
		s.pos++
		if !s.digits() {
			return s.syntax()
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		if !s.digits() {
			return s.syntax()
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	start := s.pos
	for '0' <= s.peek() && s.peek() <= '9' {
		s.pos++
	}
	return s.pos > start
}

// foldKey returns an object's key unescaped, and folded the way encoding/json
// compares keys: characters that differ only in case become the same character. raw
// comes from str. For a plain key both results are raw itself.
func (s *scanner) foldKey(raw []byte) (key, folded []byte) {
	if plainKey(raw) {
		return raw, raw
	}
	s.folded = true
	if bytes.IndexByte(raw, '\\') >= 0 {
		var unescaped string
		_ = json.Unmarshal(slices.Concat([]byte(`"`), raw, []byte(`"`)), &unescaped)
		raw = []byte(unescaped)
	}
	return raw, bytes.Map(foldRune, raw)
}

// plainKey reports whether a key is ASCII without capitals and escapes.
func plainKey(raw []byte) bool {
	for _, c := range raw {
		if c == '\\' || 'A' <= c && c <= 'Z' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// foldRune returns the smallest rune that differs from r only in case. For ASCII
// letters it returns the lower-case letter.
func foldRune(r rune) rune {
	for {
		next := unicode.SimpleFold(r)
		if next <= r {
			r = next
			break
		}
		r = next
	}
	if 'A' <= r && r <= 'Z' {
		r += 'a' - 'A'
	}
	return r
}

// keySet holds the keys of one object. A few are kept in an array, so that ordinary
// events allocate nothing. More go into a map, so that lookups stay fast.
type keySet struct {
	few  [8][]byte
	n    int
	many map[string]struct{}
}

// add adds key and reports whether it is new. It retains key.
func (k *keySet) add(key []byte) bool {
	if k.many == nil {
		for _, seen := range k.few[:k.n] {
			if bytes.Equal(seen, key) {
				return false
			}
		}
		if k.n < len(k.few) {
			k.few[k.n] = key
			k.n++
			return true
		}
		k.many = make(map[string]struct{}, 2*len(k.few))
		for _, seen := range k.few {
			k.many[string(seen)] = struct{}{}
		}
	}
	if _, ok := k.many[string(key)]; ok {
		return false
	}
	k.many[string(key)] = struct{}{}
	return true
}
