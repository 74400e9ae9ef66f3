package filestore

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Files of a stream in another format are not changed: not its blocks, not their
// index, not its settings.
func TestUnknownFormatIsLeftAlone(t *testing.T) {
	text := bytes.Repeat([]byte("blocks of another time\n"), 5000)
	sum := []byte("0123456789abcdef")
	for name, files := range map[string]map[string][]byte{
		"blocks":   {"msgs/1.blk": text, "msgs/2.blk": text, "msgs/index.db": text, "meta.inf": []byte("{}"), "meta.sum": sum},
		"settings": {"msgs/index.db": text, "meta.inf": []byte("{}"), "meta.sum": append(sum, sum...)},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			stream := filepath.Join(dir, "jetstream", "$G", "streams", "ROOMS_0")
			if err := os.MkdirAll(filepath.Join(stream, "msgs"), 0o700); err != nil {
				t.Fatal(err)
			}
			for file, content := range files {
				if err := os.WriteFile(filepath.Join(stream, file), content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var log strings.Builder
			lost, err := Repair(dir, slog.New(slog.NewTextHandler(&log, nil)))
			if len(lost) != 0 || err != nil {
				t.Errorf("got %v lost, %v, want none and no error", lost, err)
			}
			if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "unknown store format") {
				t.Errorf("logged: got %s, want one line about the format", &log)
			}
			for file, content := range files {
				got, err := os.ReadFile(filepath.Join(stream, file))
				if err != nil || !bytes.Equal(got, content) {
					t.Errorf("%s: got %d bytes, %v, want the %d that were there", file, len(got), err, len(content))
				}
			}
		})
	}
}

func TestKnownFormat(t *testing.T) {
	text := []byte(strings.Repeat("blocks of another time\n", 5000))
	record := block{data: make([]byte, 100), hash: newHash("x")}
	record.erase(0, 100, 1)
	for name, c := range map[string]struct {
		data []byte
		want bool
	}{
		"nothing":                      {nil, true},
		"zeros":                        {make([]byte, 100), true},
		"a record":                     {record.data, true},
		"a record that is cut off":     {record.data[:50], true},
		"less than a record's head":    {record.data[:5], true},
		"a record with other content":  {append(record.data[:50:50], text[:50]...), true},
		"a record behind what is none": {append(text[:1000:1000], record.data...), true},
		"text":                         {text, false},
		"compressed":                   {append([]byte("cmp\x01"), text...), false},
		"a record behind a megabyte":   {append(bytes.Repeat(text, 10), record.data...), false},
	} {
		b := block{data: c.data, hash: newHash("x")}
		if got := b.isKnown(); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}
