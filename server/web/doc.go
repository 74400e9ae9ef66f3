// Package web serves HTTP: the page and its assets, the WebSocket endpoint, the HTTP
// API for backends, and health checks.
//
//	web.go       Handler: the routes, security headers, guest sessions
//	api.go       the HTTP API
//	tokens.go    the API's tokens and scopes
//	proxy.go     requests through trusted proxies
//	errorlog.go  ErrorLog: what net/http reports
package web
