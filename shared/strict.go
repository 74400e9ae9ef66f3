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

// MaxNesting is how deep arrays and objects may nest in an event, the event's
// own object included.
const MaxNesting = 32

// checkStrict refuses what encoding/json lets through and what two decoders
// could read differently: a key twice in one object (whatever its case, since
// encoding/json matches fields without regard to it), nesting beyond
// MaxNesting, a lone surrogate, anything after the value. It reports whether all
// keys are plain: without capitals, escapes and characters beyond ASCII.
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
		return false, Errorf(CodeBadJSON, "one frame is one event: there is something after it at byte %d", s.pos)
	}
	return !s.folded, nil
}

// scanner walks JSON once, left to right, without building anything but the
// sets of keys of the objects it is in.
type scanner struct {
	data   []byte
	pos    int
	folded bool // a key was not plain
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
		return Errorf(CodeBadJSON, "not JSON: it ends in the middle")
	}
	return Errorf(CodeBadJSON, "not JSON: unexpected %s at byte %d", strconv.QuoteRune(rune(s.data[s.pos])), s.pos)
}

// value reads one value. known are the keys of the objects it may be or hold.
func (s *scanner) value(depth int, known keys) error {
	switch c := s.peek(); {
	case c == '{' || c == '[':
		if depth > MaxNesting {
			return Errorf(CodeBadJSON, "nested deeper than %d levels", MaxNesting)
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
			return Errorf(CodeBadJSON, "the key %q stands twice in one object", Clip(string(raw), MaxIDLength))
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

// str reads a string and returns its bytes between the quotes, escapes as they
// came.
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
	return Errorf(CodeBadJSON, "half a surrogate pair before byte %d is not text", at)
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

// foldKey returns an object's key unescaped, and as encoding/json compares it: of
// all the characters that are one but for their case the same one. raw has passed
// str; for a plain key both are raw itself.
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

// plainKey reports whether a key has neither capitals nor escapes nor characters
// beyond ASCII.
func plainKey(raw []byte) bool {
	for _, c := range raw {
		if c == '\\' || 'A' <= c && c <= 'Z' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// foldRune returns the smallest of the characters that are one with r but for
// their case; of ASCII letters, the small one.
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

// keySet holds the keys of one object: a few in an array, so that ordinary
// events allocate nothing, more in a map, so that none is quadratic.
type keySet struct {
	few  [8][]byte
	n    int
	many map[string]struct{}
}

// add reports whether key was not there yet. It keeps key.
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
