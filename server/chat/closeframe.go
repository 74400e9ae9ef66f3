package chat

import (
	"bufio"
	"encoding/binary"
	"net"
	"net/http"

	"github.com/gorilla/websocket"

	"websockets/server/wsframe"
	"websockets/shared"
)

// frameWatch is the network connection below gorilla's. It follows the headers of the
// client's frames to find a close frame with a payload of one byte. RFC 6455, 5.5.1,
// forbids that, but gorilla reports it as a close frame without a payload.
//
// Only the goroutine that reads the connection may use it.
type frameWatch struct {
	net.Conn
	header    [maxClientHeader]byte // of the frame that comes next, as far as it has been read
	read      int                   // bytes of header
	payload   uint64                // bytes of the current frame that have not been read
	closed    bool                  // a close frame has been read
	malformed bool                  // and its payload has one byte
}

// maxClientHeader is the largest header of a client's frame, which has a mask.
const maxClientHeader = wsframe.MaxHeader + 4

func (f *frameWatch) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	f.follow(p[:n])
	return n, err
}

// follow notes the frames in what has been read. What comes after a close frame does not
// count.
func (f *frameWatch) follow(p []byte) {
	for len(p) > 0 && !f.closed {
		if f.payload > 0 {
			n := min(f.payload, uint64(len(p)))
			f.payload -= n
			p = p[n:]
			continue
		}
		f.header[f.read] = p[0]
		f.read++
		p = p[1:]
		f.endHeader()
	}
}

// endHeader notes the frame's length if its header is complete.
func (f *frameWatch) endHeader() {
	if f.read < 2 {
		return
	}
	const masked, lengthBits, opcodeBits = 0x80, 0x7F, 0x0F
	length, extended := uint64(f.header[1]&lengthBits), 0
	switch length {
	case 126:
		extended = 2
	case 127:
		extended = 8
	}
	end := 2 + extended
	if f.header[1]&masked != 0 {
		end += 4
	}
	if f.read < end {
		return
	}
	switch extended {
	case 2:
		length = uint64(binary.BigEndian.Uint16(f.header[2:]))
	case 8:
		length = binary.BigEndian.Uint64(f.header[2:])
	}
	f.payload, f.read = length, 0
	f.closed = f.header[0]&opcodeBits == wsframe.Close
	f.malformed = f.closed && length == 1
}

// closeAnswer returns the code that answers the client's close frame, in which gorilla
// has read this code.
func (f *frameWatch) closeAnswer(code int) int {
	switch {
	case f.malformed:
		return websocket.CloseProtocolError
	case code == websocket.CloseNoStatusReceived:
		return shared.CloseNormal
	}
	return code
}

// hijacker makes gorilla read through a frameWatch.
type hijacker struct {
	http.ResponseWriter
	frames *frameWatch
}

func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(h.ResponseWriter).Hijack()
	h.frames.Conn = conn
	return h.frames, buffered, err
}
