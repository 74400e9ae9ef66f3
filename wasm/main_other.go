//go:build !js

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "wasm runs in a browser: ./build.sh builds it with GOOS=js GOARCH=wasm")
	os.Exit(1)
}
