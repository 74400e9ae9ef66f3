package main

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// Go's linker omits every run of 8 zeros from the data of a wasm file. So 3 MB of data
// become 70,000 segments, each with an address. Zeros take almost no space once
// compressed, but addresses do.
//
// Joining the segments makes the brotli form 6 % smaller and leaves the browser less to
// set up.

// maxGap is the largest gap between two segments, in bytes, that is filled with zeros to
// join them.
const maxGap = 1024

// Codes of the WebAssembly specification.
const (
	dataSection = 11
	i32Const    = 0x41
	end         = 0x0b
)

var errWasm = errors.New("this is not a wasm as Go's linker writes it")

// joinSegments returns a wasm with fewer and larger data segments. Its initial memory is
// the same, byte for byte.
func joinSegments(wasm []byte) ([]byte, error) {
	const header = "\x00asm\x01\x00\x00\x00"
	if !bytes.HasPrefix(wasm, []byte(header)) {
		return nil, errWasm
	}
	joined := []byte(header)
	for r := (reader{rest: wasm[len(header):]}); len(r.rest) > 0; {
		kind := r.bytes(1)
		section := r.bytes(r.number())
		if r.failed {
			return nil, errWasm
		}
		if kind[0] == dataSection {
			segments, err := segmentsOf(section)
			if err != nil {
				return nil, err
			}
			section = encodeSegments(join(segments))
		}
		joined = append(joined, kind[0])
		joined = binary.AppendUvarint(joined, uint64(len(section)))
		joined = append(joined, section...)
	}
	return joined, nil
}

// segment is a part of the initial memory of a wasm.
type segment struct {
	at   int
	data []byte
}

func (s segment) end() int { return s.at + len(s.data) }

// join joins segments with small gaps between them.
func join(segments []segment) []segment {
	var joined []segment
	for _, s := range segments {
		if len(joined) > 0 {
			last := &joined[len(joined)-1]
			if gap := s.at - last.end(); gap >= 0 && gap <= maxGap {
				last.data = append(append(last.data, make([]byte, gap)...), s.data...)
				continue
			}
		}
		joined = append(joined, segment{s.at, bytes.Clone(s.data)})
	}
	return joined
}

func segmentsOf(section []byte) ([]segment, error) {
	r := reader{rest: section}
	segments := make([]segment, 0, len(section)/8)
	for range r.number() {
		// Only segments of memory 0 at a constant address are supported.
		if head := r.bytes(2); r.failed || head[0] != 0 || head[1] != i32Const {
			return nil, errWasm
		}
		s := segment{at: r.number()}
		if tail := r.bytes(1); r.failed || tail[0] != end {
			return nil, errWasm
		}
		s.data = r.bytes(r.number())
		segments = append(segments, s)
	}
	if r.failed || len(r.rest) > 0 {
		return nil, errWasm
	}
	return segments, nil
}

func encodeSegments(segments []segment) []byte {
	section := binary.AppendUvarint(nil, uint64(len(segments)))
	for _, s := range segments {
		section = append(section, 0, i32Const)
		section = binary.AppendUvarint(section, uint64(s.at))
		// Addresses are signed: bit 6 of the last byte is the sign.
		if last := len(section) - 1; section[last]&0x40 != 0 {
			section[last] |= 0x80
			section = append(section, 0)
		}
		section = append(section, end)
		section = binary.AppendUvarint(section, uint64(len(s.data)))
		section = append(section, s.data...)
	}
	return section
}

// reader reads the parts of a wasm. After a failure it returns zero values.
type reader struct {
	rest   []byte
	failed bool
}

// number reads a length or an address.
func (r *reader) number() int {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 || n > 1<<31 {
		r.rest, r.failed = nil, true
		return 0
	}
	r.rest = r.rest[size:]
	return int(n)
}

func (r *reader) bytes(n int) []byte {
	if n > len(r.rest) {
		r.rest, r.failed = nil, true
		return nil
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}
