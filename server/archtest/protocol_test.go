package archtest

import (
	"flag"
	"fmt"
	"go/ast"
	"go/constant"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"websockets/shared"
)

var update = flag.Bool("update", false, "write the generated parts of shared/PROTOCOL.md")

// TestProtocolIsDocumented compares the reference for clients with the source: each event
// with its payload, each state, error code, close code and limit. With -update it writes
// what is missing.
func TestProtocolIsDocumented(t *testing.T) {
	path := filepath.Join(root, "shared", "PROTOCOL.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	source := parseSource(t, root)
	document := string(text)
	for _, part := range []struct {
		name string
		text string
	}{
		{"events to the server", source.events(shared.ToServer)},
		{"events to the client", source.events(shared.ToClient)},
		{"parts of payloads", source.parts()},
		{"states", source.codes("catalogue.go", "State", "| state | means |\n|---|---|\n", nil)},
		{"error codes", source.codes("errors.go", "Code", "| code | means |\n|---|---|\n", nil)},
		{"close codes", source.codes("close.go", "Close", "| code | means | reconnect? |\n|---|---|---|\n", reconnects)},
		{"limits", source.limits()},
	} {
		begin, end := "<!-- generated: "+part.name+" -->\n", "<!-- end -->"
		before, rest, found := strings.Cut(document, begin)
		old, after, ended := strings.Cut(rest, end)
		if !found || !ended {
			t.Errorf("PROTOCOL.md: got no part %q, want one between %q and %q", part.name, begin, end)
			continue
		}
		want := "\n" + part.text + "\n"
		for _, line := range missing(old, want) {
			if !*update {
				t.Errorf("PROTOCOL.md, %s: add the line, or run go test ./server/archtest -update:\n%s", part.name, line)
			}
		}
		for _, line := range missing(want, old) {
			if !*update {
				t.Errorf("PROTOCOL.md, %s: the source does not say this any more:\n%s", part.name, line)
			}
		}
		document = before + begin + want + end + after
	}
	for _, fault := range source.faults {
		t.Error(fault)
	}
	if *update {
		err := os.WriteFile(path, []byte(document), 0o644)
		if err != nil {
			t.Fatal(err)
		}
	} else if document != string(text) && !t.Failed() {
		t.Error("PROTOCOL.md: got the generated lines in another order, want that of go test ./server/archtest -update")
	}
}

// missing returns the lines of want that have does not have.
func missing(have, want string) (lines []string) {
	known := strings.Split(have, "\n")
	for line := range strings.SplitSeq(want, "\n") {
		if !slices.Contains(known, line) {
			lines = append(lines, line)
		}
	}
	return lines
}

// TestProtocolFaultsAreFound: what has no comment, or is no known limit, is named.
func TestProtocolFaultsAreFound(t *testing.T) {
	dir := t.TempDir()
	for file, text := range map[string]string{
		"shared/catalogue.go": `package shared
var (
	// Waves.
	Wave = request[WavePayload]("wave", "ack")
	Bare = define[WavePayload]("bare")
)
type WavePayload struct {
	// Room is the room's name.
	Room string ` + "`json:\"room\"`" + `
	Hand int ` + "`json:\"hand\"`" + `
}`,
		"shared/errors.go":      "package shared\nconst CodeNew = \"new\"",
		"server/chat/limits.go": "package chat\n// maxWaves is how many waves a client may have.\nconst maxWaves = 2 * 8",
	} {
		path := filepath.Join(dir, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := parseSource(t, dir)
	s.events(shared.ToServer)
	s.events(shared.ToClient)
	s.codes("errors.go", "Code", "", nil)
	s.checkLimits(nil)
	for _, want := range []string{
		"bare has no comment", "WavePayload.Hand has no comment", "CodeNew has no comment",
		`limit that is not documented: add {"chat.maxWaves", "", "maxWaves is how many waves a client may have."}, which is 16`,
	} {
		if !slices.ContainsFunc(s.faults, func(fault string) bool { return strings.Contains(fault, want) }) {
			t.Errorf("faults: got %q, want one with %q", s.faults, want)
		}
	}
}

// events describes the events of one direction, in the order of the catalogue.
func (s *source) events(direction shared.Direction) string {
	var b strings.Builder
	var index []string
	for _, e := range s.definitions {
		if (e.answer != "") != (direction == shared.ToServer) {
			continue
		}
		if e.comment == "" {
			s.fault("%s has no comment: write above it in catalogue.go what it does", e.name)
		}
		fmt.Fprintf(&b, "### %s\n\n%s", e.name, s.inWords(e.comment, ""))
		switch e.answer {
		case "":
		case "ack", "pong", "left", "history", "rooms", "room_joined":
			fmt.Fprintf(&b, " Answer: [`%s`](#%s).", e.answer, e.answer)
		default:
			fmt.Fprintf(&b, " Answer: `%s`.", e.answer)
		}
		b.WriteString("\n\n" + s.fields(e.payload))
		anchor := e.name
		if e.answer == "" && e.name == shared.Typing.Name() {
			anchor += "-1" // there is one to the server too
		}
		index = append(index, fmt.Sprintf("[`%s`](#%s)", e.name, anchor))
	}
	return strings.Join(index, " · ") + "\n\n" + strings.TrimRight(b.String(), "\n") + "\n"
}

// parts describes the structs that are parts of payloads.
func (s *source) parts() string {
	var b strings.Builder
	for _, name := range s.partNames() {
		title := words(name)
		fmt.Fprintf(&b, "### %s\n\n%s\n\n%s", strings.ToUpper(title[:1])+title[1:], s.inWords(s.structs[name].comment, name), s.fields(name))
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// partNames returns the structs that fields of other payloads have and that are no
// payloads of events themselves.
func (s *source) partNames() (names []string) {
	isPayload := map[string]bool{}
	for _, e := range s.definitions {
		isPayload[e.payload] = true
	}
	for _, name := range s.structOrder {
		for _, f := range s.structs[name].fields {
			part := strings.TrimLeft(f.goType, "[]*")
			if _, known := s.structs[part]; known && !isPayload[part] && !slices.Contains(names, part) {
				names = append(names, part)
			}
		}
	}
	return names
}

// fields is the table of a struct's fields.
func (s *source) fields(payload string) string {
	if len(s.structs[payload].fields) == 0 {
		return "No payload.\n\n"
	}
	var b strings.Builder
	b.WriteString("| field | type | |\n|---|---|---|\n")
	for _, f := range s.structs[payload].fields {
		if f.comment == "" {
			s.fault("%s.%s has no comment: write above it what it means", payload, f.goName)
		}
		optional := ""
		if f.optional {
			optional = "?"
		}
		fmt.Fprintf(&b, "| `%s`%s | %s | %s |\n", f.name, optional, s.typeInWords(f.goType), s.inWords(f.comment, payload))
	}
	return b.String() + "\n"
}

// words splits the name of a type: RoomSummary becomes "room summary".
func words(goName string) string {
	return strings.ToLower(humps.ReplaceAllString(goName, "$1 $2"))
}

var humps = regexp.MustCompile(`([a-z])([A-Z])`)

func (s *source) typeInWords(goType string) string {
	part, isList := strings.CutPrefix(strings.TrimPrefix(goType, "*"), "[]")
	word := map[string]string{
		"string": "text", "bool": "true or false", "int": "integer", "int64": "integer", "uint64": "integer", "float64": "number", "time.Time": "time",
	}[part]
	if word == "" {
		anchor := strings.ReplaceAll(words(part), " ", "-")
		for _, e := range s.definitions {
			if e.payload == part {
				anchor = e.name
			}
		}
		word = "[" + strings.ReplaceAll(anchor, "-", " ") + "](#" + anchor + ")"
	}
	if isList {
		return "list of " + word
	}
	return word
}

var goNames = regexp.MustCompile(`[A-Z][A-Za-z]*[a-z][A-Za-z]*|ID`)

// names are words that only the protocol has.
var names = regexp.MustCompile(`\b[a-z]+_[a-z_]+\b`)

// inWords turns a comment into a sentence of the reference: "Room is the room's name."
// of a field becomes "The room's name.", a constant its value, and another field of the
// payload its name on the wire.
func (s *source) inWords(comment, payload string) string {
	comment = strings.Join(strings.Fields(comment), " ")
	subject, rest, _ := strings.Cut(comment, " ")
	known := subject == payload || slices.ContainsFunc(s.structs[payload].fields, func(f field) bool { return f.goName == subject })
	for _, verb := range []string{"is ", "are "} {
		if text, ok := strings.CutPrefix(rest, verb); ok && (known || payload == "" && subject == "Is") {
			comment = strings.ToUpper(text[:1]) + text[1:]
		}
	}
	if text, ok := strings.CutPrefix(comment, "Is "); ok && payload == "" {
		comment = strings.ToUpper(text[:1]) + text[1:]
	}
	if first := comment[:min(1, len(comment))]; first != strings.ToUpper(first) {
		comment = strings.ToUpper(first) + comment[1:] + "."
	}
	comment = names.ReplaceAllString(comment, "`$0`")
	comment = strings.ReplaceAll(comment, "MaxUnread+1", strconv.Itoa(shared.MaxUnread+1))
	return goNames.ReplaceAllStringFunc(comment, func(name string) string {
		if value, ok := s.constantInWords("shared." + name); ok {
			return value
		}
		for _, f := range s.structs[payload].fields {
			if f.goName == name && name != strings.SplitN(comment, " ", 2)[0] {
				return "`" + f.name + "`"
			}
		}
		return name
	})
}

// codes is the table of the constants in a file of shared whose names begin with prefix.
func (s *source) codes(file, prefix, head string, more func(value string) string) string {
	var b strings.Builder
	b.WriteString(head)
	for _, c := range s.constants {
		if c.file != "shared/"+file || !strings.HasPrefix(c.name, prefix) {
			continue
		}
		if c.comment == "" {
			s.fault("%s has no comment: write behind it what it means", c.name)
		}
		value := strings.Trim(c.value.ExactString(), `"`)
		comment := strings.Join(strings.Fields(c.comment), " ")
		fmt.Fprintf(&b, "| `%s` | %s |", value, names.ReplaceAllString(strings.TrimSuffix(comment, "."), "`$0`"))
		if more != nil {
			fmt.Fprintf(&b, " %s |", more(value))
		}
		b.WriteString("\n")
	}
	return b.String()
}

func reconnects(code string) string {
	n, _ := strconv.Atoi(code)
	if shared.Reconnects(n) {
		return "yes"
	}
	return "no"
}

// limits is the tables of limits.
func (s *source) limits() string {
	s.checkLimits(limitGroups)
	var b strings.Builder
	for _, group := range limitGroups {
		fmt.Fprintf(&b, "### %s\n\n| limit | | beyond it |\n|---|---|---|\n", group.title)
		for _, l := range group.limits {
			value, ok := s.constantInWords(l.constant)
			if !ok {
				s.fault("the limit %s: got no such constant, want one", l.constant)
			}
			fmt.Fprintf(&b, "| %s%s | %s | %s |\n", value, l.unit, l.what, l.beyond)
		}
		b.WriteString("\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// checkLimits names every constant that may be a limit and is neither in groups nor among
// internal.
func (s *source) checkLimits(groups []limitGroup) {
	known := map[string]bool{}
	for _, group := range groups {
		for _, l := range group.limits {
			known[l.constant] = true
		}
	}
	for _, c := range s.constants {
		name := c.pkg + "." + c.name
		isNumber := c.value.Kind() == constant.Int || c.value.Kind() == constant.Float
		if isNumber && c.file != "shared/close.go" && !known[name] && !slices.Contains(internal, name) {
			value, _ := s.constantInWords(name)
			s.fault("limit that is not documented: add {%q, \"\", %q}, which is %s, to limitGroups in archtest/limits_test.go, or its name to internal",
				name, strings.Join(strings.Fields(c.comment), " "), value)
		}
	}
}

// constantInWords returns the value of "package.name", as people write it.
func (s *source) constantInWords(name string) (words string, ok bool) {
	if flagged, isFlag := strings.CutPrefix(name, "--"); isFlag {
		words, ok = s.flags[flagged]
		return words, ok
	}
	i := slices.IndexFunc(s.constants, func(c constantOf) bool { return c.pkg+"."+c.name == name })
	if i < 0 {
		return "", false
	}
	c := s.constants[i]
	switch n, exact := constant.Int64Val(constant.ToInt(c.value)); {
	case c.value.Kind() == constant.String:
		return "`" + constant.StringVal(c.value) + "`", true
	case !exact:
		f, _ := constant.Float64Val(c.value)
		return fmt.Sprintf("1 in %d s", int(1/f+0.5)), true
	case c.isDuration:
		return inSeconds(time.Duration(n)), true
	case n >= 1<<10 && n%(1<<10) == 0 && strings.Contains(c.comment, "bytes") || c.isShift:
		return fmt.Sprintf("%d KiB", n>>10), true
	case n >= 1000:
		return fmt.Sprintf("%d,%03d", n/1000, n%1000), true
	default:
		return strconv.FormatInt(n, 10), true
	}
}

func inSeconds(d time.Duration) string {
	switch {
	case d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d%time.Second == 0:
		return fmt.Sprintf("%d s", d/time.Second)
	}
	return fmt.Sprintf("%d ms", d/time.Millisecond)
}

func tagOf(f *ast.Field) reflect.StructTag {
	if f.Tag == nil {
		return ""
	}
	text, _ := strconv.Unquote(f.Tag.Value)
	return reflect.StructTag(text)
}
