// This does not compile: an event type that is not in the catalogue.
package main

import "websockets/shared"

func main() {
	_ = shared.Type[shared.Empty]{name: "wave"}          // refused
	shared.Define[shared.Empty](shared.ToServer, "wave") // refused
}
