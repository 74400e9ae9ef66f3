// Package web serves HTTP: the page and its assets, the WebSocket endpoint, the HTTP
// API for backends, and health checks.
//
//	web.go          Handler: the routes, security headers, guest sessions
//	api.go          the HTTP API
//	messages.go     its pages of messages, and their cursors
//	idempotency.go  the Idempotency-Key of a request
//	tokens.go       the API's tokens and scopes
//	proxy.go        requests through trusted proxies
package web
