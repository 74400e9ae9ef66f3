// Package auth says who a connection is and what it may do: a guest, whose id
// this server made up and signed, or a user of the operator's own, with a token of
// their identity provider.
package auth

import (
	"errors"
	"path"
	"time"

	"golang.org/x/text/unicode/norm"

	"websockets/shared"
)

// Errors of a request or token. Those that wrap ErrBadSession say why for the
// server's log; a stranger is told no more than the code.
var (
	ErrNoSession  = errors.New("no session")
	ErrBadSession = errors.New("the session is not valid here")
	ErrExpired    = errors.New("the session has expired")
)

// Session is who a connection is. It is a value: a renewed session is another one.
type Session struct {
	// User is the user's id: 1 to 128 bytes, never empty. A guest's is 16 characters
	// of a-z 2-7.
	User string
	// Name is the display name that a token says; empty for a guest, who chooses it.
	Name string
	// Token is what a guest presents to be this user again, a secret; empty for other
	// users, who have it already.
	Token string
	// Fresh says that the guest was made up just now.
	Fresh bool
	// Issued is when the session was signed. A user who is sent away loses all
	// sessions issued before that.
	Issued time.Time
	// Expires is when it ends.
	Expires time.Time
	// rooms are what it may do where; nil means everything everywhere.
	rooms []grant
}

// CleanName returns a display name in the form that it is kept and shown in, NFKC:
// letters that look the same are the same. The error is an *shared.Error if it is
// none.
func CleanName(name string) (string, error) {
	name = norm.NFKC.String(name)
	return name, shared.ValidateName(name)
}

// Right is what one may do in a room.
type Right string

const (
	Read  Right = "read"  // join, history, presence, typing, to see it listed
	Write Right = "write" // send messages, type
)

// grant gives rights in the rooms that match a pattern: * stands for any letters,
// ? for one, as in path.Match.
type grant struct {
	pattern string
	rights  []Right
}

// May reports whether the session has a right in a room, whether that exists or
// not.
func (s Session) May(right Right, room string) bool {
	if s.rooms == nil {
		return true
	}
	for _, g := range s.rooms {
		if fits, _ := path.Match(g.pattern, room); !fits {
			continue
		}
		for _, r := range g.rights {
			if r == right {
				return true
			}
		}
	}
	return false
}
