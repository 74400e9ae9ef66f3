package web

import (
	"fmt"
	"net/http"
	"strings"
)

// notFoundPage is the page at an address that is not there. Its arguments are the title,
// the text, and the address of the chat.
const notFoundPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>%[1]s</title>
<h1>%[1]s</h1>
<p>%[2]s</p>
<p><a href="%[3]s">Go to the chat</a></p>
</html>
`

// withNotFoundPage shows people a page with a way back where net/http says in plain text
// that there is nothing to see. Programs get the text.
func withNotFoundPage(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		isBrowser := strings.Contains(r.Header.Get("Accept"), "text/html")
		if isBrowser && r.Header.Get("Upgrade") == "" {
			w = &notFoundWriter{ResponseWriter: w, root: rootFrom(r.URL)}
		}
		next.ServeHTTP(w, r)
	})
}

// notFoundWriter replaces the text of 404 and 405 by a page.
type notFoundWriter struct {
	http.ResponseWriter
	root     string // the address of the chat
	replaced bool
}

func (n *notFoundWriter) WriteHeader(status int) {
	h := n.Header()
	isMissing := status == http.StatusNotFound || status == http.StatusMethodNotAllowed
	if !isMissing || !strings.HasPrefix(h.Get("Content-Type"), "text/plain") {
		n.ResponseWriter.WriteHeader(status)
		return
	}
	n.replaced = true
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Del("Content-Length")
	n.ResponseWriter.WriteHeader(status)
	title, text := "There is nothing here", "This address leads to no page and no room."
	if status == http.StatusMethodNotAllowed {
		text = "This address is for programs."
	}
	_, _ = fmt.Fprintf(n.ResponseWriter, notFoundPage, title, text, n.root)
}

func (n *notFoundWriter) Write(text []byte) (int, error) {
	if n.replaced {
		return len(text), nil
	}
	return n.ResponseWriter.Write(text)
}

// Unwrap is for http.ResponseController.
func (n *notFoundWriter) Unwrap() http.ResponseWriter { return n.ResponseWriter }

// noEndpoint answers requests to the HTTP API that none of its routes takes. isOn says
// whether there are any.
func noEndpoint(isOn bool) http.HandlerFunc {
	detail := "no such endpoint: see the README for the API"
	if !isOn {
		detail = "the HTTP API is off: start the server with --api-tokens"
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		answerProblem(w, problem{Status: http.StatusNotFound, Code: "not_found", Detail: detail})
	}
}
