package userdata

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"strings"

	"websockets/server/eventlog"
)

// nameKey is the key of a user's display name.
const nameKey = "name"

// Names stores the display names that users chose. Its methods may be called from any
// goroutine; their errors wrap eventlog.ErrUnavailable.
type Names struct {
	users eventlog.Values
}

// NewNames returns the Names in the bucket eventlog.Users.
func NewNames(users eventlog.Values) *Names {
	return &Names{users: users}
}

// Get returns a user's display name, and whether the user chose it. Without a choice it
// is DefaultName.
func (n *Names) Get(ctx context.Context, user string) (name string, chosen bool, err error) {
	value, err := n.users.Get(ctx, user, nameKey)
	if err != nil {
		return "", false, err
	}
	if len(value) == 0 {
		return DefaultName(user), false, nil
	}
	return string(value), true, nil
}

// Set stores the name that a user chose, as auth.CleanName returned it. It is durable
// when Set returns.
func (n *Names) Set(ctx context.Context, user, name string) error {
	return n.users.Put(ctx, user, nameKey, []byte(name))
}

// DefaultName returns the name of a user who has chosen none. It tells most users apart,
// whatever their ids look like.
func DefaultName(user string) string {
	sum := sha256.Sum256([]byte(user))
	return "Guest " + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:4]
}
