// This does not compile: handlers and frames with the payload of another event,
// and a handler that wants another peer.
package main

import (
	"context"

	"websockets/shared"
)

func main() {
	r := shared.NewRegistry[string](shared.ToServer)
	shared.On(r, shared.SendMessage, func(ctx context.Context, peer string, p shared.JoinPayload) error { return nil })         // refused
	shared.On(r, shared.SendMessage, func(ctx context.Context, peer string, p *shared.SendMessagePayload) error { return nil }) // refused
	shared.On(r, shared.SendMessage, func(ctx context.Context, peer int, p shared.SendMessagePayload) error { return nil })     // refused
	_ = shared.SendMessage.Frame("", shared.JoinPayload{Name: "lobby"})                                                         // refused
}
