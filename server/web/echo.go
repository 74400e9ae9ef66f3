//go:build conformance

package web

import (
	"net/http"

	"websockets/server/chat"
)

// conformance adds the route for a conformance suite: see ARCHITECTURE.md.
func conformance(mux *http.ServeMux, manager *chat.Manager) {
	mux.HandleFunc("GET /echo", manager.ServeEcho)
}
