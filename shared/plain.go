package shared

import (
	"bytes"
	"strconv"
	"time"
	"unicode/utf8"
)

// Most of the traffic is messages and acks without whitespace or escapes. This file
// encodes and decodes them without reflection, at a tenth of the cost. Everything
// else goes through encoding/json. Both ways give the same result.

// plainFields calls each for every member of a JSON object until it returns false.
// It reports whether the whole object is plain. If not, the caller must discard
// what it has collected.
func plainFields(object []byte, each func(key, value []byte) bool) bool {
	s := scanner{data: object}
	if s.peek() != '{' {
		return false
	}
	for s.pos++; ; s.pos++ {
		if s.peek() != '"' {
			return false
		}
		key, err := s.str()
		if err != nil || s.peek() != ':' {
			return false
		}
		s.pos++
		start := s.pos
		if s.value(1, nil) != nil || !each(key, object[start:s.pos]) {
			return false
		}
		switch s.peek() {
		case ',':
		case '}':
			return s.pos == len(object)-1
		default:
			return false
		}
	}
}

// plainString sets s to the value of a JSON string. It reports false if the string
// contains an escape or invalid UTF-8, or if s is set already.
func plainString(s *string, value []byte) bool {
	n := len(value)
	if n < 2 || value[0] != '"' || bytes.IndexByte(value, '\\') >= 0 || !utf8.Valid(value) || *s != "" {
		return false
	}
	*s = string(value[1 : n-1])
	return true
}

// plainEvent decodes an event that has passed checkStrict.
func plainEvent(frame []byte) (e Event, ok bool) {
	ok = plainFields(frame, func(key, value []byte) bool {
		switch string(key) {
		case "type":
			return plainString(&e.Type, value)
		case "id":
			return plainString(&e.ID, value)
		case "payload":
			e.Payload = bytes.Clone(value)
			return true
		}
		return false
	})
	return e, ok
}

// setPlain sets a field. It reports false if the value is not plain.
func (p *SendMessagePayload) setPlain(key, value []byte) bool {
	switch string(key) {
	case "room":
		return plainString(&p.Room, value)
	case "message":
		return plainString(&p.Message, value)
	}
	return false
}

// setPlain sets a field. It reports false if the value is not plain.
func (m *Message) setPlain(key, value []byte) bool {
	switch string(key) {
	case "seq":
		seq, err := strconv.ParseUint(string(value), 10, 64)
		plain := err == nil && m.Seq == 0
		m.Seq = seq
		return plain
	case "id":
		return plainString(&m.ID, value)
	case "room":
		return plainString(&m.Room, value)
	case "user":
		return plainString(&m.User, value)
	case "from":
		return plainString(&m.From, value)
	case "message":
		return plainString(&m.Message, value)
	case "sent":
		return m.Sent.IsZero() && m.Sent.UnmarshalJSON(value) == nil
	}
	return false
}

func (m Message) appendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	if m.Seq != 0 {
		dst = append(dst, `"seq":`...)
		dst = append(strconv.AppendUint(dst, m.Seq, 10), ',')
	}
	dst = appendString(append(dst, `"id":`...), m.ID)
	dst = appendString(append(dst, `,"room":`...), m.Room)
	dst = appendString(append(dst, `,"user":`...), m.User)
	dst = appendString(append(dst, `,"from":`...), m.From)
	dst = appendString(append(dst, `,"message":`...), m.Message)
	dst = appendTime(append(dst, `,"sent":`...), m.Sent)
	return append(dst, '}')
}

func (p AckPayload) appendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	if p.Room != "" {
		dst = append(appendString(append(dst, `"room":`...), p.Room), ',')
	}
	if p.Seq != 0 {
		dst = append(strconv.AppendUint(append(dst, `"seq":`...), p.Seq, 10), ',')
	}
	if !p.Sent.IsZero() {
		dst = append(appendTime(append(dst, `"sent":`...), p.Sent), ',')
	}
	return append(bytes.TrimSuffix(dst, []byte{','}), '}')
}

// appendString appends s exactly as encode writes it.
func appendString(dst []byte, s string) []byte {
	for _, r := range s {
		if r < ' ' || r == '"' || r == '\\' || r == utf8.RuneError || r == '\u2028' || r == '\u2029' {
			return append(dst, encode(s)...)
		}
	}
	return append(append(append(dst, '"'), s...), '"')
}

// appendTime appends t exactly as encode writes it.
func appendTime(dst []byte, t time.Time) []byte {
	return append(t.AppendFormat(append(dst, '"'), time.RFC3339Nano), '"')
}
