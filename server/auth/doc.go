// Package auth decides who a connection belongs to and what it may do.
//
// There are two modes. By default the server makes up guests and signs their
// sessions. With tokens, an identity provider signs them, and the server verifies
// them.
//
//	session.go        Session: a user, and their permissions in rooms
//	name.go           display names: which are the same, and those of tokens
//	authenticator.go  Authenticator: the session of a token
//	request.go        the session of a request; its cookies and Authorization header
//	path.go           the cookies of chats that share a host
//	revocations.go    Revocations: sessions that an operator ended early
//	guest.go          GuestSessions: guests and their sessions
//	keys.go           Keys: what guest sessions are signed with, and the rotation
//	token.go          TokenVerifier: JSON Web Tokens of an identity provider
//	jwks.go           the provider's keys that can be used
//
// The package knows HTTP requests, but no connections and no rooms: server/chat
// closes connections and checks permissions.
package auth
