package web

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"websockets/server/auth"
	"websockets/server/chat"
	"websockets/server/eventlog"
	"websockets/shared"
)

// maxBody bounds the body of a request, in bytes.
const maxBody = shared.MaxFrameBytes

// apiTimeout bounds a request, including the reading of its body.
const apiTimeout = 20 * time.Second

// api is the HTTP API for the operator's backends. Requests carry a token of
// --api-tokens as "Authorization: Bearer …". Errors are problem details (RFC 9457).
//
//	POST   /api/rooms/{room}/messages   {message, from?}; with an Idempotency-Key it is stored once
//	GET    /api/rooms/{room}/messages   ?cursor=, or ?before= or ?after= a sequence, &limit=
//	GET    /api/rooms                   ?filter=, &limit=, &page= next of the page before
//	GET    /api/rooms/{room}/presence
//	DELETE /api/sessions/{user}         revokes the user's sessions
type api struct {
	manager  *chat.Manager
	backends *Backends
	logger   *slog.Logger // limited, see loglimit
}

func (a api) routes(mux *http.ServeMux) {
	mux.Handle("POST /api/rooms/{room}/messages", a.with(scopeWrite, a.post))
	mux.Handle("GET /api/rooms/{room}/messages", a.with(scopeRead, a.messages))
	mux.Handle("GET /api/rooms/{room}/presence", a.with(scopeRead, a.presence))
	mux.Handle("GET /api/rooms", a.with(scopeRead, a.rooms))
	mux.Handle("DELETE /api/sessions/{user}", a.with(scopeUsers, a.revokeSessions))
}

// problem is an RFC 9457 problem with the code of the protocol's error. Its type is
// about:blank, so its title is the text of the status.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
}

func answerProblem(w http.ResponseWriter, p problem) {
	p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

// with authenticates a request, checks its scope, and writes the result of handle.
func (a api) with(scope string, handle func(*http.Request, backend) (status int, answer any, err error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		who, known := a.backends.authenticate(r)
		switch {
		case !known:
			a.logger.Warn("refused a request to the API: missing or unknown token", "from", r.RemoteAddr, "method", r.Method, "path", r.URL.Path,
				"hint", "the token in Authorization: Bearer has to be in the file of --api-tokens")
			w.Header().Set("WWW-Authenticate", "Bearer")
			answerProblem(w, problem{Status: http.StatusUnauthorized, Code: shared.CodeBadToken, Detail: "missing or unknown API token: send it as Authorization: Bearer …"})
			return
		case !slices.Contains(who.scopes, scope):
			a.logger.Warn("refused a request to the API: its token lacks a scope", "from", r.RemoteAddr, "method", r.Method, "path", r.URL.Path,
				"backend", who.name, "scope", scope, "hint", "add the scope to the token's line in the file of --api-tokens")
			answerProblem(w, problem{Status: http.StatusForbidden, Code: shared.CodeForbidden, Detail: "this token lacks the scope " + scope})
			return
		}
		if room := r.PathValue("room"); room != "" {
			if err := shared.ValidateRoom(room); err != nil {
				answerProblem(w, problemOf(err))
				return
			}
		}
		ctx, cancel := context.WithTimeout(r.Context(), apiTimeout)
		defer cancel()
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(apiTimeout))
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		status, answer, err := handle(r.WithContext(ctx), who)
		if err != nil {
			p := problemOf(err)
			if p.Status == http.StatusServiceUnavailable {
				w.Header().Set("Retry-After", "1")
			}
			if p.Status >= http.StatusInternalServerError {
				a.logger.Error("a request to the API failed", "from", r.RemoteAddr, "method", r.Method, "path", r.URL.Path, "backend", who.name, "err", err)
			}
			answerProblem(w, p)
			return
		}
		if answer == nil {
			w.WriteHeader(status)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(answer)
	})
}

// problemOf returns the problem for an error. It discloses the text of a
// *shared.Error only.
func problemOf(err error) problem {
	var refusal *shared.Error
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return problem{Status: http.StatusRequestEntityTooLarge, Code: shared.CodeBadPayload, Detail: "the body is larger than 64 KiB"}
	case errors.As(err, &refusal) && refusal.Code == shared.CodeIDReused:
		return problem{Status: http.StatusConflict, Code: refusal.Code, Detail: refusal.Message}
	case errors.As(err, &refusal):
		return problem{Status: http.StatusBadRequest, Code: refusal.Code, Detail: refusal.Message}
	case errors.Is(err, eventlog.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return problem{Status: http.StatusServiceUnavailable, Code: shared.CodeUnavailable, Detail: "the message log is unavailable: try again in a moment"}
	}
	return problem{Status: http.StatusInternalServerError, Code: shared.CodeInternal, Detail: "internal error"}
}

// post stores a message. The backend is its sender, with the name in from.
func (a api) post(r *http.Request, who backend) (int, any, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return 0, nil, err
	}
	var draft struct {
		Message string `json:"message"`
		From    string `json:"from"`
	}
	var refusal *shared.Error
	err = shared.Unmarshal(body, &draft)
	switch {
	case errors.As(err, &refusal):
		return 0, nil, refusal
	case err != nil:
		return 0, nil, shared.Errorf(shared.CodeBadJSON, "the body must be JSON: {\"message\": \"…\", \"from\": \"…\"}")
	}
	if draft.From == "" {
		draft.From = who.name
	}
	id, err := messageID(r.Header)
	if err != nil {
		return 0, nil, err
	}
	if id == "" {
		id = rand.Text()
	}
	from, err := auth.CleanName(draft.From)
	if err := errors.Join(err, shared.SendMessagePayload{Message: draft.Message}.Validate()); err != nil {
		return 0, nil, err
	}
	stored, fresh, err := a.manager.Post(r.Context(), shared.Message{
		ID: id, Room: r.PathValue("room"), User: auth.BackendPrefix + who.name, From: from, Message: draft.Message,
	})
	if err != nil || !fresh {
		return http.StatusOK, stored, err
	}
	return http.StatusCreated, stored, nil
}

// limitOf parses the limit of a page, 0 if the query has none.
func limitOf(query url.Values) (limit int, err error) {
	text := query.Get("limit")
	if text == "" {
		return 0, nil
	}
	limit, err = strconv.Atoi(text)
	if err != nil || limit < 1 {
		return 0, shared.Errorf(shared.CodeBadPayload, "limit must be a positive integer")
	}
	return limit, nil
}

func (a api) rooms(r *http.Request, _ backend) (int, any, error) {
	type room struct {
		Name         string    `json:"name"`
		LastActivity time.Time `json:"last_activity"`
	}
	query := r.URL.Query()
	limit, err := limitOf(query)
	if err != nil {
		return 0, nil, err
	}
	p := shared.ListRoomsPayload{Filter: query.Get("filter"), Page: query.Get("page"), Limit: limit}
	err = p.Validate()
	if err != nil {
		return 0, nil, err
	}
	list, err := a.manager.Rooms(r.Context(), p)
	rooms := make([]room, len(list.Rooms))
	for i, one := range list.Rooms {
		rooms[i] = room{one.Name, one.LastActivity}
	}
	return http.StatusOK, struct {
		Rooms []room `json:"rooms"`
		Next  string `json:"next,omitempty"`
	}{rooms, list.Next}, err
}

func (a api) presence(r *http.Request, _ backend) (int, any, error) {
	count, members, err := a.manager.Presence(r.Context(), r.PathValue("room"))
	return http.StatusOK, map[string]any{"room": r.PathValue("room"), "count": count, "members": members}, err
}

func (a api) revokeSessions(r *http.Request, _ backend) (int, any, error) {
	return http.StatusNoContent, nil, a.manager.RevokeSessions(r.Context(), r.PathValue("user"))
}
