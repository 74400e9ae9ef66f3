// Pack builds the browser client into static/dist, from where package static embeds it:
// app.wasm, and the wasm_exec.js of the Go that compiled it. Each gets a name that
// contains a hash of its content, a brotli form and a gzip form. Files that have not
// changed are not compressed again.
//
//	go run ./static/pack          compress as well as possible
//	go run ./static/pack -quick   20 s faster and a third larger, for running it locally
//	go run ./static/pack -flags   print the compiler flags, in the form of GOFLAGS
//
//	main.go  the flags, the compiler flags, and the build
//	join.go  joins data segments, so that the wasm compresses better
//	pack.go  names, compresses and writes the files; removes those of older builds
//
// Files are written under a temporary name and renamed, and the manifest is written
// after the files that it lists. So static/dist is complete whenever pack is interrupted.
package main
