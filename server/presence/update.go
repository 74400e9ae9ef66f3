package presence

import "websockets/shared"

// Update is what one server tells the others that have members in a room.
type Update struct {
	// Server is who tells.
	Server string `json:"server"`
	// Came and Went are users at that server. All says that Came is everyone there.
	Came []shared.Member `json:"came,omitempty"`
	Went []string        `json:"went,omitempty"`
	All  bool            `json:"all,omitempty"`
	// Away are those that the server has lost and who may be on their way to
	// another one: it has nobody in the room any more, so it cannot tell later.
	Away []string `json:"away,omitempty"`
	// Asks wants the others to tell who is at theirs.
	Asks bool `json:"asks,omitempty"`
}
