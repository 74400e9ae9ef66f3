package auth

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

const (
	// keyAge is how long a key signs sessions.
	keyAge = 30 * 24 * time.Hour
	// guestAge is how long a session is valid. Opening the page refreshes the session,
	// so a guest may stay away this long and still be the same guest.
	guestAge = 400 * 24 * time.Hour
	// propagationDelay is the age at which a key starts to sign. By then all servers
	// have read it.
	propagationDelay = 5 * time.Minute
	keyBytes         = 32
)

// Keys are the secrets that sign guest sessions, newest first. The newest key that all
// servers know signs; older keys verify the sessions that they signed. All servers on
// one store share the keys.
type Keys []key

type key struct {
	ID     string    `json:"id"` // is in every token that the key signed
	Secret []byte    `json:"secret"`
	Made   time.Time `json:"made"`
}

// ParseKeys decodes keys that Marshal encoded.
func ParseKeys(text []byte) (keys Keys, err error) {
	err = json.Unmarshal(text, &keys)
	if err != nil {
		return nil, fmt.Errorf("parse guest keys: %w", err)
	}
	for _, k := range keys {
		if len(k.Secret) < keyBytes || k.ID == "" {
			return nil, fmt.Errorf("parse guest keys: invalid key %q", k.ID)
		}
	}
	return keys, nil
}

// Marshal encodes the keys for ParseKeys.
func (k Keys) Marshal() []byte {
	text, _ := json.Marshal(k) // strings, bytes and times
	return text
}

// Rotate returns the keys to use from now on, and whether they differ from k. It adds a
// new key if the newest has reached keyAge, and removes keys whose sessions have all
// expired.
func (k Keys) Rotate(now time.Time) (rotated Keys, changed bool) {
	kept := slices.DeleteFunc(slices.Clone(k), func(old key) bool { return now.Sub(old.Made) > keyAge+guestAge })
	if len(kept) > 0 && now.Sub(kept[0].Made) < keyAge {
		return kept, len(kept) != len(k)
	}
	secret := make([]byte, keyBytes)
	_, _ = rand.Read(secret) // never fails
	return slices.Insert(kept, 0, key{ID: rand.Text()[:6], Secret: secret, Made: now.UTC().Truncate(time.Second)}), true
}

// signing returns the key to sign with.
func (k Keys) signing(now time.Time) key {
	for _, candidate := range k {
		if now.Sub(candidate.Made) >= propagationDelay {
			return candidate
		}
	}
	return k[len(k)-1]
}
