//go:build !js

package shared

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"testing"
)

// The compiler must refuse exactly the marked lines of the programs in testdata/compile:
// a handler of the wrong type is found before the program runs.
func TestMistakesDoNotCompile(t *testing.T) {
	programs, err := os.ReadDir("testdata/compile")
	if err != nil || len(programs) < 2 {
		t.Fatalf("programs: got %d, %v, want at least 2", len(programs), err)
	}
	for _, program := range programs {
		t.Run(program.Name(), func(t *testing.T) {
			folder := "testdata/compile/" + program.Name()
			source, err := os.ReadFile(folder + "/main.go")
			if err != nil {
				t.Fatal(err)
			}
			want := refusedLines(source)
			// -e reports all errors, not only the first ten.
			output, err := exec.CommandContext(t.Context(), "go", "build", "-o", os.DevNull, "-gcflags=-e", "./"+folder).CombinedOutput()
			if (err == nil) != (len(want) == 0) {
				t.Errorf("go build: got %v, want %d refused lines", err, len(want))
			}
			var got []int
			for _, line := range regexp.MustCompile(`(?m)main\.go:(\d+):`).FindAllSubmatch(output, -1) {
				n, _ := strconv.Atoi(string(line[1]))
				got = append(got, n)
			}
			if got = slices.Compact(got); !slices.Equal(got, want) {
				t.Errorf("refused the lines %v, want %v:\n%s", got, want, output)
			}
		})
	}
}

// refusedLines returns the numbers of the lines that end with "// refused".
func refusedLines(source []byte) (lines []int) {
	n := 0
	for line := range bytes.Lines(source) {
		n++
		if bytes.HasSuffix(line, []byte("// refused\n")) {
			lines = append(lines, n)
		}
	}
	return lines
}
