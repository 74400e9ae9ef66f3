//go:build !conformance

package web

import (
	"net/http"

	"websockets/server/chat"
)

func conformance(*http.ServeMux, *chat.Manager) {}
