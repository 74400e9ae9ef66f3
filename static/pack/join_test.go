package main

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"
)

func TestJoinSegments(t *testing.T) {
	// One section of another kind, then three segments: 3 bytes at 64, whose last
	// bits look like a sign, 2 bytes at 112, and 1 byte at 70000, which is too far
	// away to be joined.
	wasm := unhex(t, `0061736d 01000000  0102aabb
		0b 1a 03  00 41 c000 0b 03 010203  00 41 f000 0b 02 0405  00 41 f0a204 0b 01 06`)
	joined, err := joinSegments(wasm)
	if err != nil {
		t.Fatal(err)
	}
	want := unhex(t, `0061736d 01000000  0102aabb
		0b 41 02  00 41 c000 0b 32 010203`+strings.Repeat("00", 45)+`0405  00 41 f0a204 0b 01 06`)
	if !bytes.Equal(joined, want) {
		t.Errorf("joined: got\n%x\nwant\n%x", joined, want)
	}
	again, err := joinSegments(joined)
	if err != nil || !bytes.Equal(again, joined) {
		t.Errorf("joined once more: got %x, %v, want %x", again, err, joined)
	}
}

func TestJoinKeepsMemory(t *testing.T) {
	// Segments out of order, adjacent ones, and gaps of the maximum and above.
	segments := []segment{
		{at: 9000, data: []byte("later")},
		{at: 63, data: []byte("a")}, {at: 64, data: []byte("b")},
		{at: 65 + maxGap, data: []byte("c")},
		{at: 67 + 2*maxGap, data: []byte("d")},
		{at: 8191, data: []byte("e")},
	}
	joined, err := segmentsOf(encodeSegments(join(segments)))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(memory(joined), memory(segments)) {
		t.Errorf("joined segments: got %v, want the memory of %v", joined, segments)
	}
	if len(joined) != 4 {
		t.Errorf("segments: got %d, want 4", len(joined))
	}
}

func TestJoinRefusesUnknownFormats(t *testing.T) {
	for name, text := range map[string]string{
		"empty":                 ``,
		"no wasm":               `3c68746d 6c3e0000`,
		"a cut section":         `0061736d 01000000 0b 05 00`,
		"a cut length":          `0061736d 01000000 0b 80`,
		"a passive segment":     `0061736d 01000000 0b 06 01 01 41 00 0b 00`,
		"a computed address":    `0061736d 01000000 0b 07 01 00 23 00 0b 01 07`,
		"data beyond the end":   `0061736d 01000000 0b 07 01 00 41 00 0b 09 07`,
		"more than was counted": `0061736d 01000000 0b 08 01 00 41 00 0b 01 07 07`,
	} {
		if joined, err := joinSegments(unhex(t, text)); err == nil {
			t.Errorf("%s: got %x, want an error", name, joined)
		}
	}
}

// memory returns the memory that the segments describe.
func memory(segments []segment) []byte {
	image := make([]byte, 10000)
	for _, s := range segments {
		copy(image[s.at:], s.data)
	}
	return image
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
