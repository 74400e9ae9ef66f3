//go:build !js

// Command wasm is the page's program. It runs in a browser and nowhere else.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "wasm is the browser's program: ./build.sh builds it with GOOS=js GOARCH=wasm")
	os.Exit(1)
}
