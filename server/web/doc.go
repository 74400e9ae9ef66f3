// Package web serves HTTP: the page and its assets, the WebSocket endpoint, the HTTP
// API for backends, and health checks.
//
//	web.go          Handler: the routes, security headers, guest sessions
//	basepath.go     the routes under a path
//	address.go      the addresses of rooms
//	notfound.go     what is at addresses that are not there
//	api.go          the HTTP API
//	messages.go     its pages of messages, and their cursors
//	idempotency.go  the Idempotency-Key of a request
//	tokens.go       the API's tokens and scopes
//	proxy.go        requests through trusted proxies
//	errorlog.go     ErrorLog: what net/http reports
package web
