package web

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"websockets/server/chat"
	"websockets/shared"
)

// messagesPage is the answer to GET /api/rooms/{room}/messages. More is about the
// direction in which the page was asked for.
type messagesPage struct {
	shared.HistoryPayload
	// Cursor continues with the messages after the page, Older with those before it.
	// Each is a value for ?cursor=.
	Cursor string `json:"cursor"`
	Older  string `json:"older"`
	// Truncated is a range next to the page that has expired, or may have.
	Truncated *shared.Truncated `json:"truncated,omitempty"`
	// Reset means that the place asked for is in another log, and reading starts over.
	Reset bool `json:"reset,omitempty"`
}

// messages returns a page of a room's history.
func (a api) messages(r *http.Request, _ backend) (int, any, error) {
	room := r.PathValue("room")
	q, err := messagesQuery(room, r.URL.Query())
	if err != nil {
		return 0, nil, err
	}
	page, err := a.manager.Messages(r.Context(), room, q)
	return http.StatusOK, messagesPage{
		HistoryPayload: page.HistoryPayload, Truncated: page.Truncated, Reset: page.Reset,
		Cursor: pageCursor{Cursor: page.Newest, Room: room}.encode(),
		Older:  pageCursor{Cursor: page.Oldest, Room: room, Older: true}.encode(),
	}, err
}

// messagesQuery parses the query of a page of messages. ?after=0 asks for the first
// messages, and ?before=0 for the last ones.
func messagesQuery(room string, query url.Values) (q chat.MessagesQuery, err error) {
	p := shared.LoadHistoryPayload{}
	for _, param := range []struct {
		name string
		to   *uint64
	}{{"before", &p.Before}, {"after", &p.After}} {
		text := query.Get(param.name)
		if text == "" {
			continue
		}
		*param.to, err = strconv.ParseUint(text, 10, 64)
		if err != nil {
			return q, shared.Errorf(shared.CodeBadPayload, "%s must be a sequence number", param.name)
		}
	}
	p.Limit, err = limitOf(query)
	if err != nil {
		return q, err
	}
	err = p.Validate()
	if err != nil {
		return q, err
	}
	q.Limit = p.Limit
	text := query.Get("cursor")
	switch {
	case text != "" && (query.Get("before") != "" || query.Get("after") != ""):
		return q, shared.Errorf(shared.CodeBadPayload, "send cursor, before or after, only one of them")
	case text != "":
		c, err := decodePageCursor(room, text)
		q.From, q.Older = &c.Cursor, c.Older
		return q, err
	case query.Get("after") != "":
		q.From = &shared.Cursor{Seq: p.After}
	case p.Before != 0:
		q.From, q.Older = &shared.Cursor{Seq: p.Before}, true
	}
	return q, nil
}

// pageCursor is a place in a room and the direction in which to go on from it. Clients
// do not look into it.
type pageCursor struct {
	shared.Cursor
	Room  string `json:"room"`
	Older bool   `json:"older,omitempty"`
}

func (c pageCursor) encode() string {
	text, _ := json.Marshal(c) // cannot fail: strings, a number and a boolean
	return base64.RawURLEncoding.EncodeToString(text)
}

func decodePageCursor(room, text string) (c pageCursor, err error) {
	plain, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(plain, &c)
	}
	switch {
	case err != nil || c.Epoch == "":
		return c, shared.Errorf(shared.CodeBadPayload, "cursor must be one from a page of messages, unchanged")
	case c.Room != room:
		return c, shared.Errorf(shared.CodeBadPayload, "the cursor is one of the room %s", shared.Clip(c.Room, shared.MaxRoomLength))
	}
	return c, nil
}
