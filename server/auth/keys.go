package auth

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

const (
	// keyAge is how long a key signs; guestAge is how long what it signed is valid.
	// A page that is opened gets its session signed anew, so guestAge is how long
	// somebody may stay away and still be the same guest.
	keyAge   = 30 * 24 * time.Hour
	guestAge = 400 * 24 * time.Hour
	// keyKnown is how long a key is kept before it signs: by then all servers know it.
	keyKnown = 5 * time.Minute
	keyBytes = 32
)

// Keys are the secrets that guest sessions are signed with, newest first: the
// newest that all servers know signs, older ones are kept for as long as what they
// signed is valid. All servers of one store share them.
type Keys []key

type key struct {
	ID     string    `json:"id"` // in every token: which key signed it
	Secret []byte    `json:"secret"`
	Made   time.Time `json:"made"`
}

// ParseKeys reads what Marshal wrote.
func ParseKeys(text []byte) (k Keys, err error) {
	if err := json.Unmarshal(text, &k); err != nil {
		return nil, fmt.Errorf("the guests' keys: %w", err)
	}
	for _, one := range k {
		if len(one.Secret) < keyBytes || one.ID == "" {
			return nil, fmt.Errorf("the guests' key %q is no key", one.ID)
		}
	}
	return k, nil
}

// Marshal writes the keys for ParseKeys.
func (k Keys) Marshal() []byte {
	text, _ := json.Marshal(k) // strings, bytes and times
	return text
}

// Rotate returns the keys to use at a time: with a new one in front if the newest
// has signed for long enough, or there is none, and without those whose sessions
// have all expired. It reports whether that is a change.
func (k Keys) Rotate(now time.Time) (Keys, bool) {
	kept := slices.DeleteFunc(slices.Clone(k), func(one key) bool { return now.Sub(one.Made) > keyAge+guestAge })
	if len(kept) > 0 && now.Sub(kept[0].Made) < keyAge {
		return kept, len(kept) != len(k)
	}
	secret := make([]byte, keyBytes)
	_, _ = rand.Read(secret) // never fails
	return slices.Insert(kept, 0, key{ID: rand.Text()[:6], Secret: secret, Made: now.UTC().Truncate(time.Second)}), true
}

// signing returns the key that signs at a time.
func (k Keys) signing(now time.Time) key {
	for _, one := range k {
		if now.Sub(one.Made) >= keyKnown {
			return one
		}
	}
	return k[len(k)-1]
}
