//go:build !unix

package main

import "math"

// maxConnDescriptor returns the descriptor from which on there are too few for
// connections: here they are no small numbers.
func maxConnDescriptor() int { return math.MaxInt }
