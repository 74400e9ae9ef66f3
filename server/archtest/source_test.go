package archtest

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// limitFolders are the packages whose constants may be limits for clients.
var limitFolders = []string{"shared", "server/quota", "server/delivery", "server/chat", "server/userdata", "server/web"}

// source is what the reference for clients takes from the source.
type source struct {
	definitions []definition
	structs     map[string]structOf
	structOrder []string
	constants   []constantOf
	flags       map[string]string // the defaults of flags of the command line, by name
	faults      []string
}

// definition is an event of the catalogue.
type definition struct{ name, payload, answer, comment string }

type structOf struct {
	comment string
	fields  []field
}

type field struct {
	goName, goType, name, comment string
	optional                      bool
}

type constantOf struct {
	pkg, name, file, comment string
	value                    constant.Value
	isDuration, isShift      bool
}

func (s *source) fault(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	for _, known := range s.faults {
		if known == text {
			return
		}
	}
	s.faults = append(s.faults, text)
}

// parseSource reads the module at root.
func parseSource(t *testing.T, root string) *source {
	t.Helper()
	s := &source{structs: map[string]structOf{}, flags: map[string]string{}}
	for _, folder := range limitFolders {
		files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(folder), "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") {
				s.addFile(folder, parse(t, file), filepath.Base(file))
			}
		}
	}
	flags := filepath.Join(root, "server", "flags.go")
	if _, err := os.Stat(flags); err == nil {
		s.addFlags(parse(t, flags))
	}
	return s
}

func parse(t *testing.T, file string) *ast.File {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func (s *source) addFile(folder string, parsed *ast.File, file string) {
	for _, d := range parsed.Decls {
		group, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range group.Specs {
			switch spec := spec.(type) {
			case *ast.ValueSpec:
				if group.Tok == token.CONST {
					s.addConstants(folder, file, group, spec)
				} else if folder == "shared" {
					s.addDefinition(spec)
				}
			case *ast.TypeSpec:
				if folder == "shared" {
					s.addStruct(group, spec)
				}
			}
		}
	}
}

// addDefinition adds a variable of the form X = request[Payload]("x", "answer") or
// X = define[Payload]("x").
func (s *source) addDefinition(spec *ast.ValueSpec) {
	if len(spec.Values) != 1 {
		return
	}
	call, ok := spec.Values[0].(*ast.CallExpr)
	if !ok {
		return
	}
	typed, ok := call.Fun.(*ast.IndexExpr)
	if !ok || len(call.Args) == 0 {
		return
	}
	payload, ok := typed.Index.(*ast.Ident)
	if !ok {
		return
	}
	d := definition{payload: payload.Name, name: text(call.Args[0]), comment: comment(spec.Doc, spec.Comment)}
	if len(call.Args) > 1 {
		d.answer = text(call.Args[1])
	}
	s.definitions = append(s.definitions, d)
}

func (s *source) addStruct(group *ast.GenDecl, spec *ast.TypeSpec) {
	shape, ok := spec.Type.(*ast.StructType)
	if !ok {
		return
	}
	added := structOf{comment: comment(group.Doc, spec.Doc)}
	for _, f := range shape.Fields.List {
		name, options, _ := strings.Cut(tagOf(f).Get("json"), ",")
		for _, goName := range f.Names {
			if name != "" {
				added.fields = append(added.fields, field{
					goName: goName.Name, goType: expression(f.Type), name: name, comment: comment(f.Doc, f.Comment),
					optional: strings.HasPrefix(options, "omit"),
				})
			}
		}
	}
	s.structs[spec.Name.Name] = added
	s.structOrder = append(s.structOrder, spec.Name.Name)
}

func (s *source) addConstants(folder, file string, group *ast.GenDecl, spec *ast.ValueSpec) {
	pkg := path.Base(folder)
	for i, name := range spec.Names {
		if i >= len(spec.Values) {
			continue
		}
		literal, _ := spec.Values[i].(*ast.BasicLit)
		value, isDuration := s.eval(pkg, spec.Values[i])
		if value == nil || literal != nil && literal.Kind == token.CHAR { // a character is no limit
			continue
		}
		said := comment(spec.Comment, spec.Doc)
		if said == "" && len(group.Specs) == 1 {
			said = comment(group.Doc, nil)
		}
		shift, _ := spec.Values[i].(*ast.BinaryExpr)
		s.constants = append(s.constants, constantOf{
			pkg: pkg, name: name.Name, file: folder + "/" + file, comment: said,
			value: value, isDuration: isDuration, isShift: shift != nil && shift.Op == token.SHL,
		})
	}
}

var durations = map[string]int64{"Millisecond": 1e6, "Second": 1e9, "Minute": 60e9, "Hour": 3600e9}

// eval returns the value of a constant expression, nil if it is not a simple one.
func (s *source) eval(pkg string, e ast.Expr) (value constant.Value, isDuration bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		return constant.MakeFromLiteral(e.Value, e.Kind, 0), false
	case *ast.ParenExpr:
		return s.eval(pkg, e.X)
	case *ast.Ident:
		return s.lookUp(pkg, e.Name)
	case *ast.SelectorExpr:
		from, _ := e.X.(*ast.Ident)
		if from == nil {
			return nil, false
		}
		if n, ok := durations[e.Sel.Name]; ok && from.Name == "time" {
			return constant.MakeInt64(n), true
		}
		return s.lookUp(from.Name, e.Sel.Name)
	case *ast.BinaryExpr:
		x, left := s.eval(pkg, e.X)
		y, right := s.eval(pkg, e.Y)
		if x == nil || y == nil {
			return nil, false
		}
		if e.Op == token.SHL {
			by, _ := constant.Uint64Val(y)
			return constant.Shift(x, e.Op, uint(by)), left
		}
		return constant.BinaryOp(x, e.Op, y), left || right
	}
	return nil, false
}

func (s *source) lookUp(pkg, name string) (constant.Value, bool) {
	for _, c := range s.constants {
		if c.pkg == pkg && c.name == name {
			return c.value, c.isDuration
		}
	}
	return nil, false
}

// addFlags reads the defaults of the command line's flags.
func (s *source) addFlags(parsed *ast.File) {
	ast.Inspect(parsed, func(n ast.Node) bool {
		f, ok := n.(*ast.Field)
		if ok && len(f.Names) == 1 && tagOf(f).Get("default") != "" {
			s.flags[f.Names[0].Name] = tagOf(f).Get("default")
		}
		return true
	})
}

func comment(groups ...*ast.CommentGroup) string {
	for _, g := range groups {
		if g.Text() != "" {
			return strings.TrimSpace(g.Text())
		}
	}
	return ""
}

func text(e ast.Expr) string {
	literal, ok := e.(*ast.BasicLit)
	if !ok {
		return ""
	}
	unquoted, _ := strconv.Unquote(literal.Value)
	return unquoted
}

// expression is a type as it is written.
func expression(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.StarExpr:
		return "*" + expression(e.X)
	case *ast.ArrayType:
		return "[]" + expression(e.Elt)
	case *ast.SelectorExpr:
		return expression(e.X) + "." + e.Sel.Name
	}
	return ""
}
