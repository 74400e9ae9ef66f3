package auth

import (
	"errors"
	"path"
	"slices"
	"time"
)

// Errors of a request or a token. Errors that wrap ErrBadSession give a reason for
// the server's log; a client learns only the code.
var (
	ErrNoSession  = errors.New("no session")
	ErrBadSession = errors.New("invalid session")
	ErrExpired    = errors.New("session expired")
)

// Session says who a connection belongs to and what it may do. It is a value: a
// refreshed session is another one.
type Session struct {
	// User is the user's id: 1 to 128 bytes, never empty. A guest's is 16 characters
	// of a-z 2-7.
	User string
	// Name is the display name in the token; empty if the user chooses one: a guest, or a
	// user whose token has no usable name.
	Name string
	// Token is the secret with which a guest is the same user again; empty for users
	// with tokens of their own.
	Token string
	// IsNew means that the guest was created for this request.
	IsNew bool
	// Issued is when the session was signed. Revoking a user's sessions ends those
	// issued before.
	Issued time.Time
	// Expires is when the session ends.
	Expires time.Time
	// grants are the permissions; nil means everything in every room.
	grants []grant
}

// Right is a permission in a room.
type Right string

const (
	Read  Right = "read"  // join, read messages and presence, see the room listed
	Write Right = "write" // send messages and typing, set the topic
)

// grant gives rights in the rooms whose names match a pattern of path.Match: * stands
// for any characters, ? for one.
type grant struct {
	pattern string
	rights  []Right
}

// May reports whether the session has a right in a room, whether or not the room
// exists.
func (s Session) May(right Right, room string) bool {
	if s.grants == nil {
		return true
	}
	return slices.ContainsFunc(s.grants, func(g grant) bool {
		matches, _ := path.Match(g.pattern, room)
		return matches && slices.Contains(g.rights, right)
	})
}
