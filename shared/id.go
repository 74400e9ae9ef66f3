package shared

import (
	"crypto/rand"
	"encoding/base64"
)

// NewID returns a random event id of 16 characters (96 bits).
func NewID() string {
	var b [12]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}
