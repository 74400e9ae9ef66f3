// Pack builds the browser client and puts it into static/dist, ready to be
// embedded and served: the wasm and the wasm_exec.js of the Go that built it,
// under names that carry a hash of their content, each with a brotli and a gzip
// form beside it. What has not changed is not compressed again.
//
//	go run ./static/pack          as small as it gets
//	go run ./static/pack -quick   a third larger, 20 s sooner, to run it here
//	go run ./static/pack -flags   print the compiler flags, as GOFLAGS takes them
package main
