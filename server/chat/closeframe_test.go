package chat

import (
	"encoding/binary"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/gorilla/websocket"

	"websockets/server/servertest"
	"websockets/shared"
)

// clientFrame is a frame as a client sends it. A mask of zeros changes nothing.
func clientFrame(first byte, payload string) string {
	header := []byte{first, 0x80}
	switch n := len(payload); {
	case n < 126:
		header[1] |= byte(n)
	case n <= 0xFFFF:
		header[1] |= 126
		header = binary.BigEndian.AppendUint16(header, uint16(n))
	default:
		header[1] |= 127
		header = binary.BigEndian.AppendUint64(header, uint64(n))
	}
	return string(header) + "\x00\x00\x00\x00" + payload
}

// The payload of a close frame is empty or begins with a code of two bytes. One byte is
// a protocol error, wherever the frame comes and however it is split.
func TestCloseFrameOfOneByteIsAProtocolError(t *testing.T) {
	t.Parallel()
	const text, begin, end, ping, closing = 0x81, 0x01, 0x80, 0x89, 0x88
	oneByte := clientFrame(closing, "x")
	for name, test := range map[string]struct {
		sent []string
		code int
	}{
		"alone":                   {[]string{oneByte}, websocket.CloseProtocolError},
		"a byte at a time":        {strings.Split(oneByte, ""), websocket.CloseProtocolError},
		"after a ping":            {[]string{clientFrame(ping, "x") + oneByte}, websocket.CloseProtocolError},
		"after a message":         {[]string{clientFrame(text, "x") + oneByte}, websocket.CloseProtocolError},
		"after an empty message":  {[]string{clientFrame(text, "") + oneByte}, websocket.CloseProtocolError},
		"after a long message":    {[]string{clientFrame(text, strings.Repeat("x", 300)) + oneByte}, websocket.CloseProtocolError},
		"after the longest":       {[]string{clientFrame(text, strings.Repeat("x", shared.MaxFrameBytes)), oneByte}, websocket.CloseProtocolError},
		"inside a message":        {[]string{clientFrame(begin, "x") + oneByte}, websocket.CloseProtocolError},
		"after a message's parts": {[]string{clientFrame(begin, "x") + clientFrame(end, "y") + oneByte}, websocket.CloseProtocolError},
		"before another":          {[]string{oneByte + clientFrame(closing, "")}, websocket.CloseProtocolError},
		"empty":                   {[]string{clientFrame(closing, "")}, shared.CloseNormal},
		"empty, before another":   {[]string{clientFrame(closing, "") + oneByte}, shared.CloseNormal},
		"a code":                  {[]string{clientFrame(closing, "\x03\xe9")}, shared.CloseGoingAway},
		"a message that looks so": {[]string{clientFrame(text, "\x08\x01") + clientFrame(closing, "")}, shared.CloseNormal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := serveInBubble(t).join("x")
				for _, sent := range test.sent {
					if _, err := c.WS.NetConn().Write([]byte(sent)); err != nil {
						t.Fatal(err)
					}
				}
				c.AwaitClose(test.code)
			})
		})
	}
}

func TestCloseFrameOfOneByteBeforeAuthentication(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveInBubble(t, withTokens(t))
		for payload, code := range map[string]int{"x": websocket.CloseProtocolError, "": shared.CloseNormal, "\x03\xe9": shared.CloseGoingAway} {
			c := s.upgrade(servertest.DialOptions{})
			if _, err := c.WS.NetConn().Write([]byte(clientFrame(0x88, payload))); err != nil {
				t.Fatal(err)
			}
			c.AwaitClose(code)
		}
	})
}
