package bench

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"websockets/shared"
)

// A message's text begins with a header of headerLength characters, padded with x:
//
//	k3x9a7qp 001f 0000002a 00000004a817c800 xxxxx…
//
// The header has the run's id, and in hexadecimal the sender, the sender's message
// number, and when the message was due in nanoseconds since the run began. The id of
// this message is k3x9a7qp-001f-0000002a.
const (
	runEnd       = 8
	senderAt     = runEnd + 1
	senderEnd    = senderAt + 4
	numberAt     = senderEnd + 1
	numberEnd    = numberAt + 8
	dueAt        = numberEnd + 1
	dueEnd       = dueAt + 16
	headerLength = dueEnd + 1
	idLength     = numberEnd
	maxSenders   = 1 << (4 * (senderEnd - senderAt))
)

// textOf returns a message's text.
func textOf(run string, sender int, number uint32, due time.Duration, size int) string {
	b := []byte(run + strings.Repeat(" ", headerLength-len(run)) + strings.Repeat("x", size-headerLength))
	putHex(b[senderAt:senderEnd], uint64(sender))
	putHex(b[numberAt:numberEnd], uint64(number))
	putHex(b[dueAt:dueEnd], uint64(due))
	return string(b)
}

// idOf returns a message's id.
func idOf(run string, sender int, number uint32) string {
	return strings.ReplaceAll(textOf(run, sender, number, 0, headerLength)[:idLength], " ", "-")
}

// template is a sender's frame. Three parts of it change from message to message; they
// are slices of frame.
type template struct {
	frame   []byte
	id, due []byte // the number in the id, the due time in the text
	number  []byte // the number in the text
}

func newTemplate(run string, sender, size int) (t template) {
	id, text := idOf(run, sender, 0), textOf(run, sender, 0, 0, size)
	t.frame = shared.SendMessage.Frame(id, shared.SendMessagePayload{Message: text})
	at := t.frame[bytes.Index(t.frame, []byte(text)):]
	t.number, t.due = at[numberAt:numberEnd], at[dueAt:dueEnd]
	t.id = t.frame[bytes.Index(t.frame, []byte(id)):][numberAt:numberEnd]
	return t
}

// fill returns the frame of a message. It is valid until the next call.
func (t *template) fill(number uint32, due time.Duration) []byte {
	putHex(t.id, uint64(number))
	putHex(t.number, uint64(number))
	putHex(t.due, uint64(due))
	return t.frame
}

// delivery is the content of a new_message frame.
type delivery struct {
	seq    uint64
	sender int
	number uint32
	due    time.Duration
}

var (
	deliveryStart = []byte(`{"type":"` + shared.NewMessage.Name() + `","payload":{"seq":`)
	textStart     = []byte(`"message":"`)
)

// scan parses a new_message frame exactly as the server encodes it, without a JSON
// decoder. Quotes inside a JSON string are escaped, so a search finds the right field.
// It reports false for any other frame.
func scan(frame []byte, run string, size int) (d delivery, ok bool) {
	rest, ok := bytes.CutPrefix(frame, deliveryStart)
	digits := 0
	for digits < len(rest) && '0' <= rest[digits] && rest[digits] <= '9' {
		d.seq = d.seq*10 + uint64(rest[digits]-'0')
		digits++
	}
	at := bytes.Index(rest, textStart)
	if !ok || digits == 0 || at < 0 {
		return d, false
	}
	text := rest[at+len(textStart):]
	if len(text) <= size || text[size] != '"' {
		return d, false
	}
	return d, d.read(text[:size], run)
}

// read parses the header of a text.
func (d *delivery) read(text []byte, run string) bool {
	if len(text) < headerLength || string(text[:runEnd]) != run {
		return false
	}
	sender, ok1 := getHex(text[senderAt:senderEnd])
	number, ok2 := getHex(text[numberAt:numberEnd])
	due, ok3 := getHex(text[dueAt:dueEnd])
	d.sender, d.number, d.due = int(sender), uint32(number), time.Duration(due)
	return ok1 && ok2 && ok3
}

// decode decodes a new_message frame in full.
func decode(frame []byte, run string) (d delivery, m shared.Message, ok bool) {
	event, err := shared.DecodeEvent(frame)
	if err != nil || event.Type != shared.NewMessage.Name() {
		return d, m, false
	}
	if m, err = shared.NewMessage.Decode(event); err != nil {
		return d, m, false
	}
	d.seq = m.Seq
	return d, m, d.read([]byte(m.Message), run)
}

// scanAck parses the sequence of an ack, and the message number in its id.
func scanAck(frame []byte, run string) (seq uint64, number uint32, ok bool) {
	_, rest, found := bytes.Cut(frame, []byte(`"seq":`))
	digits, _, _ := bytes.Cut(rest, []byte{','})
	seq, err := strconv.ParseUint(string(digits), 10, 64)
	at := bytes.LastIndex(rest, []byte(`"id":"`))
	if !found || err != nil || at < 0 {
		return 0, 0, false
	}
	id, _, _ := bytes.Cut(rest[at+len(`"id":"`):], []byte{'"'})
	number, ok = numberIn(string(id), run)
	return seq, number, ok
}

// numberIn returns the message number in an id.
func numberIn(id, run string) (number uint32, ok bool) {
	if len(id) != idLength || id[:runEnd] != run {
		return 0, false
	}
	n, ok := getHex([]byte(id[numberAt:]))
	return uint32(n), ok
}

func putHex(dst []byte, v uint64) {
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = "0123456789abcdef"[v&0xf]
		v >>= 4
	}
}

func getHex(src []byte) (v uint64, ok bool) {
	for _, c := range src {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		default:
			return 0, false
		}
		v = v<<4 | uint64(c)
	}
	return v, true
}
