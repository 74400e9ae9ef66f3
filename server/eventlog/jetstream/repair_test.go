package jetstream_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"websockets/server/eventlog/jetstream"
)

// all makes the log keep everything that is logged in the journal.
func (j *journal) all(o *jetstream.Options) { o.Logger = slog.New(slog.NewTextHandler(j, nil)) }

// lines returns how many lines of the journal have all of these words.
func (j *journal) lines(words ...string) (n int) {
	for line := range strings.Lines(j.String()) {
		if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) }) {
			n++
		}
	}
	return n
}

// reopened opens the store, returns what can be read of its room, and closes it.
func (s store) reopened(j *journal) []string {
	s.t.Helper()
	l := s.open(j.all)
	defer l.Close()
	return s.read(l)
}

// copies returns the paths of what was copied aside of a file of the room's
// stream, oldest first.
func (s store) copies(file string) []string {
	s.t.Helper()
	paths, err := filepath.Glob(filepath.Join(s.dir, "damaged", s.stream+"-"+file+".before-repair-*"))
	if err != nil {
		s.t.Fatal(err)
	}
	return paths
}

// blockCopies allows no copies, by a file where their folder would be.
func (s store) blockCopies() (allow func()) {
	s.t.Helper()
	path := filepath.Join(s.dir, "damaged")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return func() { remove(s, path) }
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// otherFormat makes of a block one that no version of NATS wrote. Its end stays,
// which is what NATS looks at before it believes its index.
func otherFormat(data []byte) []byte {
	for i := range data[:len(data)-8] {
		data[i] ^= 0x5a
	}
	return data
}

// TestRepairKeepsCopies repairs the same block twice, and the settings. What was
// there each time has been copied, and the log names the copy.
func TestRepairKeepsCopies(t *testing.T) {
	t.Parallel()
	s := fillStore(t)
	block := s.blocks()[0]
	var damaged [][]byte
	for i, seq := range []int{10, 20} {
		flip(seq, 150)(s)
		damaged = append(damaged, read(t, block))
		var j journal
		if got := s.reopened(&j); slices.Contains(got, marker(seq)) || len(got) != storeMessages-1-i {
			t.Errorf("repaired %d times: got %d messages, want %d", i+1, len(got), storeMessages-1-i)
		}
		copies := s.copies("1.blk")
		if len(copies) != i+1 {
			t.Fatalf("copies after %d repairs: got %q, want one each", i+1, copies)
		}
		for n, path := range copies {
			if !bytes.Equal(read(t, path), damaged[n]) {
				t.Errorf("%s: got another content than that of the damaged block, want the same", path)
			}
		}
		if got := j.lines("level=WARN", "copied a damaged file", "file="+block, "copy="+copies[i]); got != 1 {
			t.Errorf("lines that name the copy: got %d, want 1:\n%s", got, &j)
		}
	}

	settings := filepath.Join(s.msgs, "..", "meta.inf")
	s.change(settings, func(data []byte) []byte { data[9] ^= 4; return data })
	want := read(t, settings)
	var j journal
	s.reopened(&j)
	if copies := s.copies("meta.inf"); len(copies) != 1 || !bytes.Equal(read(t, copies[0]), want) {
		t.Errorf("copies of the settings: got %q, want one, of the damaged ones", copies)
	}
	if got := len(s.copies("meta.sum")); got != 1 {
		t.Errorf("copies of the settings' checksum: got %d, want 1", got)
	}
	if got := len(s.copies("1.blk")); got != 2 {
		t.Errorf("copies of the block: got %d, want the 2 that were there", got)
	}
}

// Nothing is copied of a store without damage.
func TestNoRepairKeepsNoCopies(t *testing.T) {
	t.Parallel()
	s := fillStore(t)
	var j journal
	s.reopened(&j)
	if entries, err := os.ReadDir(filepath.Join(s.dir, "damaged")); len(entries) != 0 {
		t.Errorf("copies: got %v, %v, want none", entries, err)
	}
}

// TestNoRepairWithoutACopy: a block that cannot be copied is not changed, which
// the log says. All of its messages but the damaged one can be read. The repair is
// made when there is room again.
func TestNoRepairWithoutACopy(t *testing.T) {
	t.Parallel()
	s := fillStore(t)
	allow := s.blockCopies()
	flip(10, 150)(s)
	block := s.blocks()[0]
	damaged := read(t, block)
	settings := filepath.Join(s.msgs, "..", "meta.inf")
	s.change(settings, func(data []byte) []byte { data[9] ^= 4; return data })
	damagedSettings := read(t, settings)

	var j journal
	if got := s.reopened(&j); slices.Contains(got, marker(10)) || len(got) != storeMessages-1 {
		t.Errorf("not repaired: got %d messages, want %d", len(got), storeMessages-1)
	}
	if !bytes.Equal(read(t, block), damaged) {
		t.Error("the block: got it changed, want it as it was")
	}
	if !bytes.Equal(read(t, settings), damagedSettings) {
		t.Error("the settings: got them changed, want them as they were")
	}
	for _, path := range []string{block, settings} {
		if got := j.lines("level=ERROR", "could not be copied", filepath.Base(path)); got != 1 {
			t.Errorf("lines that say that %s is not repaired: got %d, want 1:\n%s", path, got, &j)
		}
	}

	allow()
	var again journal
	if got := s.reopened(&again); len(got) != storeMessages-1 {
		t.Errorf("repaired: got %d messages, want %d", len(got), storeMessages-1)
	}
	if copies := s.copies("1.blk"); len(copies) != 1 || !bytes.Equal(read(t, copies[0]), damaged) {
		t.Errorf("copies: got %q, want one, of the damaged block", copies)
	}
}

// TestUnknownFormat: the store opens, and one line of the log says that a stream is
// in another format. NATS cuts off what it cannot read, so there is a copy of all
// of it, made once.
func TestUnknownFormat(t *testing.T) {
	t.Parallel()
	s := fillStore(t)
	whole := s.blocks()
	var foreign [][]byte
	for _, block := range whole {
		s.change(block, otherFormat)
		foreign = append(foreign, read(t, block))
	}
	var j journal
	s.open(j.all).Close()
	if got := j.lines("unknown store format", s.stream, "damaged"); got != 1 {
		t.Errorf("lines about the format: got %d, want 1:\n%s", got, &j)
	}
	for i, block := range whole {
		copies := s.copies(filepath.Base(block))
		if len(copies) != 1 || !bytes.Equal(read(t, copies[0]), foreign[i]) {
			t.Fatalf("copies of %s: got %q, want one with its content", block, copies)
		}
		if err := os.WriteFile(block, read(t, copies[0]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var again journal
	s.reopened(&again)
	for _, block := range whole {
		if copies := s.copies(filepath.Base(block)); len(copies) != 1 {
			t.Errorf("copies of %s after the second opening: got %q, want one", block, copies)
		}
	}
}

// TestUnknownFormatWithoutACopy: the store opens all the same, and one line says
// that there is no copy.
func TestUnknownFormatWithoutACopy(t *testing.T) {
	t.Parallel()
	s := fillStore(t)
	s.blockCopies()
	for _, block := range s.blocks() {
		s.change(block, otherFormat)
	}
	var j journal
	s.open(j.all).Close()
	if got := j.lines("unknown store format", "could not be copied", s.stream); got != 1 {
		t.Errorf("lines about the format: got %d, want 1:\n%s", got, &j)
	}
}

// A store whose only message is damaged is in the known format.
func TestDamageOfTheOnlyMessage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	put(t, l, "general", "1", marker(1)+strings.Repeat("x", 200))
	blocks := filepath.Join(dir, "jetstream", "$G", "streams", "*ROOMS_*", "msgs", "1.blk")
	l.Close()
	paths, err := filepath.Glob(blocks)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		data := bytes.Replace(read(t, path), []byte("xxx"), []byte("xyx"), 1)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var j journal
	open(t, dir, j.all).Close()
	if format, lost := j.lines("unknown store format"), j.lines("its clients start over", "the message 1"); format != 0 || lost != 1 {
		t.Errorf("lines about the format, and about the lost message: got %d and %d, want 0 and 1:\n%s", format, lost, &j)
	}
}
