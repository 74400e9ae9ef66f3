// This compiles: it is what the programs beside it would be without their
// mistakes.
package main

import (
	"context"

	"websockets/shared"
)

func main() {
	r := shared.NewRegistry[string](shared.ToServer)
	shared.On(r, shared.SendMessage, func(ctx context.Context, peer string, p shared.SendMessagePayload) error { return nil })
	_ = shared.SendMessage.Frame("", shared.SendMessagePayload{Message: "hi"})
	_ = shared.Type[shared.Empty]{}
}
