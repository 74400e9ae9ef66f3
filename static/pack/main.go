package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// inlining are the compiler flags. They disable inlining, which makes the wasm larger: by
// 7 % in its brotli form. Most of its packages come with net/http and never run.
//
// Inlining stays enabled where decoding messages would become slower without it. In
// net/http itself it lets the linker leave code out.
var inlining = []string{
	"-gcflags=all=-l",
	"-gcflags=runtime=",
	"-gcflags=encoding/json=",
	"-gcflags=websockets/shared=",
	"-gcflags=net/http=",
}

func main() {
	quick := flag.Bool("quick", false, "compress quickly instead of well")
	verbose := flag.Bool("v", false, "print the packages as they are compiled")
	flags := flag.Bool("flags", false, "print the compiler's flags and do nothing else")
	flag.Parse()
	if *flags {
		fmt.Println(strings.Join(inlining, " "))
		return
	}
	if err := run(*quick, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func run(quick, verbose bool) error {
	// Ask go for the folder of the module and for the GOROOT of the Go that go.mod
	// selects. So pack may be started from any folder.
	out, err := exec.Command("go", "env", "GOMOD", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("go env: %w", err)
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	if len(lines) != 2 {
		return fmt.Errorf("go env: cannot make sense of %q", out)
	}
	root, goroot := filepath.Dir(string(lines[0])), string(lines[1])

	// The linker does nothing if its last result in bin is still current.
	wasm := filepath.Join(root, "bin", "app.wasm")
	args := append([]string{"build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"}, inlining...)
	if verbose {
		args = append(args, "-v")
	}
	build := exec.Command("go", append(args, "-o", wasm, "./wasm")...)
	build.Dir = root
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("building the wasm: %w", err)
	}

	files := make(map[string][]byte)
	for name, from := range map[string]string{
		"app.wasm":     wasm,
		"wasm_exec.js": filepath.Join(goroot, "lib", "wasm", "wasm_exec.js"),
	} {
		if files[name], err = os.ReadFile(from); err != nil {
			return err
		}
	}
	if files["app.wasm"], err = joinSegments(files["app.wasm"]); err != nil {
		return err
	}
	dist := filepath.Join(root, "static", "dist")
	if err := pack(dist, files, quick); err != nil {
		return err
	}
	return report(dist, hashedName("app.wasm", files["app.wasm"]))
}

// report prints the sizes of the wasm, by far the largest file.
func report(dist, name string) error {
	var size [3]float64
	for i, suffix := range []string{"", ".br", ".gz"} {
		info, err := os.Stat(filepath.Join(dist, name+suffix))
		if err != nil {
			return err
		}
		size[i] = float64(info.Size()) / 1e6
	}
	fmt.Printf("%s: %.2f MB, brotli %.2f MB, gzip %.2f MB\n", name, size[0], size[1], size[2])
	return nil
}
