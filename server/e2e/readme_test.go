package e2e

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// root is the module's folder, seen from this package.
const root = "../.."

// TestReadmeAddsAnEvent does to a copy of the module what README says under "Add an
// event", and runs the tests there that an event can fail, with one more that uses it.
func TestReadmeAddsAnEvent(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	edits, err := readmeEdits(string(readme))
	if err != nil {
		t.Fatal(err)
	}
	dir := copyModule(t)
	for _, e := range edits {
		if err := e.apply(dir); err != nil {
			t.Fatalf("README, the code for %s: %v", e.file, err)
		}
	}
	test, err := os.ReadFile("testdata/readme/wave_test.go")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "server/chat/wave_test.go"), test, 0o644); err != nil {
		t.Fatal(err)
	}

	goTest(t, dir, "./shared", "./server/chat")
	goTest(t, dir, "-run=^Example", "./wasm/client") // a client without the handler does not start
}

// goTest runs go test in the module at dir.
func goTest(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"test", "-count=1"}, args...)...)
	cmd.Dir = dir
	// With -trimpath the build cache has what is the same in the module itself.
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOWORK=off", "GOFLAGS="+os.Getenv("GOFLAGS")+" -buildvcs=false -trimpath")
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("go test %s of the module with README's event: got %v, want no error:\n%s", strings.Join(args, " "), err, output)
	}
}

// copyModule copies what the event is added to, and what that needs, to a folder of
// the test.
func copyModule(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, folder := range []string{"shared", "server", "wasm/client"} {
		if err := os.CopyFS(filepath.Join(dir, folder), os.DirFS(filepath.Join(root, folder))); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// edit is a block of code in README.
type edit struct {
	file     string // where it goes, from the module's folder on
	function string // in which function; empty means the end of the file
	code     string
}

// blockPlace is the line that says where the block below it goes.
var blockPlace = regexp.MustCompile("^`([^`]+)`(?:, in `([^`]+)`)?: ")

// readmeEdits reads the blocks under "Add an event". The line above each of them has
// to begin with the file, and with the function if it goes into one.
func readmeEdits(readme string) (edits []edit, err error) {
	_, section, found := strings.Cut(readme, "\n## Add an event\n")
	if !found {
		return nil, fmt.Errorf(`README: got no section "Add an event", want one`)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	above := ""
	lines := strings.SplitAfter(section, "\n")
	for len(lines) > 0 {
		line := lines[0]
		lines = lines[1:]
		if !strings.HasPrefix(line, "```") {
			if strings.TrimSpace(line) != "" {
				above = line
			}
			continue
		}
		place := blockPlace.FindStringSubmatch(above)
		if place == nil {
			return nil, fmt.Errorf("README, the line above a block: got %q, want it to begin with `file`: or with `file`, in `function`:", above)
		}
		block := edit{file: place[1], function: place[2]}
		for len(lines) > 0 && lines[0] != "```\n" {
			block.code += lines[0]
			lines = lines[1:]
		}
		if len(lines) == 0 {
			return nil, fmt.Errorf("README, the block for %s: got no end of it, want one", block.file)
		}
		lines = lines[1:]
		above = ""
		edits = append(edits, block)
	}
	if len(edits) == 0 {
		return nil, fmt.Errorf(`README: got no blocks under "Add an event", want some`)
	}
	return edits, nil
}

// apply makes the edit in the module that was copied to dir. A file that is not there
// is made.
func (e edit) apply(dir string) error {
	path := filepath.Join(dir, filepath.FromSlash(e.file))
	source, err := os.ReadFile(path)
	switch {
	case os.IsNotExist(err) && e.function == "":
		return os.WriteFile(path, []byte(strings.TrimSuffix(e.code, "\n")), 0o644)
	case err != nil:
		return err
	}
	at := len(source)
	if e.function != "" {
		at, err = placeIn(source, e.function, strings.HasSuffix(e.code, ",\n"))
		if err != nil {
			return err
		}
	}
	edited := bytes.Join([][]byte{source[:at], source[at:]}, []byte("\n"+e.code))
	return os.WriteFile(path, edited, 0o644)
}

// placeIn returns where in a function code goes: elements at the end of its first
// composite literal, statements before its last one.
func placeIn(source []byte, function string, elements bool) (offset int, err error) {
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, "", source, parser.SkipObjectResolution)
	if err != nil {
		return 0, err
	}
	for _, declared := range parsed.Decls {
		f, ok := declared.(*ast.FuncDecl)
		if !ok || f.Name.Name != function || f.Body == nil || len(f.Body.List) == 0 {
			continue
		}
		place := f.Body.List[len(f.Body.List)-1].Pos()
		if elements {
			literal := firstLiteral(f)
			if literal == nil {
				return 0, fmt.Errorf("got no list in %s, want one", function)
			}
			place = literal.Rbrace
		}
		return files.Position(place).Offset, nil
	}
	return 0, fmt.Errorf("got no function %s, want one", function)
}

func firstLiteral(f *ast.FuncDecl) (first *ast.CompositeLit) {
	ast.Inspect(f.Body, func(n ast.Node) bool {
		literal, ok := n.(*ast.CompositeLit)
		if ok && first == nil {
			first = literal
		}
		return first == nil
	})
	return first
}

// TestReadmeIsUnderstood: what the test above cannot read it does not pass over.
func TestReadmeIsUnderstood(t *testing.T) {
	const section = "# x\n\n## Add an event\n\nText.\n\n"
	for name, c := range map[string]struct{ readme, want string }{
		"no section":          {"# x\n", `got no section "Add an event"`},
		"no blocks":           {section + "## Next\n\n`a.go`: x\n\n```go\nvar X int\n```\n", "got no blocks"},
		"a block of nowhere":  {section + "```go\nvar X int\n```\n", `got "Text.\n"`},
		"a second block":      {section + "`a.go`: x\n\n```go\nvar X int\n```\n\n```go\nvar Y int\n```\n", `got ""`},
		"a block without end": {section + "`a.go`: x\n\n```go\nvar X int\n", "got no end of it"},
	} {
		if edits, err := readmeEdits(c.readme); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %+v, %v, want an error with %q", name, edits, err, c.want)
		}
	}
	dir := t.TempDir()
	const source = "package a\n\nfunc f() int {\n\treturn 1\n}\n"
	if err := os.WriteFile(filepath.Join(dir, "a.go"), []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, e := range map[string]edit{
		"no such file":     {"b.go", "f", "g()\n"},
		"no such function": {"a.go", "g", "g()\n"},
		"no list":          {"a.go", "f", "1,\n"},
	} {
		if err := e.apply(dir); err == nil {
			t.Errorf("%s: got no error, want one", name)
		}
	}
}
