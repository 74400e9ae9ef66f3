package jetstream_test

import (
	"bytes"
	"cmp"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"websockets/server/eventlog/jetstream"
)

// journal keeps what is logged as an error.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func (j *journal) option(o *jetstream.Options) {
	o.Logger = slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelError}))
}

// store is a closed store of one room's messages, in three blocks: the sequence
// of each is its number.
type store struct {
	t    *testing.T
	dir  string
	room string
	// msgs is the folder of the blocks of the room's shard.
	stream, msgs string
	messages     int
	epoch        string // of the room
}

const storeMessages = 300 // of 300 bytes

// smallBlocks makes NATS store in blocks of 32 KB, which it does for streams of
// up to 127 KB. Three of them are less than what retention would begin at.
func smallBlocks(o *jetstream.Options) { o.MaxBytes = 510_000 }

// marker is in the body of the message with this sequence and nowhere else.
func marker(seq int) string { return fmt.Sprintf("<message %d>", seq) }

func fillStore(t *testing.T) store {
	t.Helper()
	s := store{t: t, dir: t.TempDir(), room: "general", messages: storeMessages}
	l := open(t, s.dir, smallBlocks)
	s.stream = fmt.Sprintf("ROOMS_%d", l.Shard(s.room))
	s.msgs = filepath.Join(s.dir, "jetstream", "$G", "streams", s.stream, "msgs")
	if _, err := l.Value(t.Context(), "guest-key", func() []byte { return []byte("made the first time") }); err != nil {
		t.Fatal(err)
	}
	s.epoch = l.Epoch(s.room)
	filler := strings.Repeat("x", 200)
	for n := 1; n <= s.messages; n++ {
		if r := put(t, l, s.room, strconv.Itoa(n), marker(n)+filler); r.Seq != uint64(n) {
			t.Fatalf("sequence of message %d: got %d, want %d", n, r.Seq, n)
		}
	}
	l.Close()
	if blocks := s.blocks(); len(blocks) != 3 {
		t.Fatalf("blocks of the store: got %q, want three", blocks)
	}
	return s
}

func (s store) blocks() []string {
	s.t.Helper()
	var blocks []string
	for n := 1; ; n++ {
		path := filepath.Join(s.msgs, fmt.Sprintf("%d.blk", n))
		if _, err := os.Stat(path); err != nil {
			return blocks
		}
		blocks = append(blocks, path)
	}
}

// copy returns a store of its own with the same content.
func (s store) copy(t *testing.T) store {
	t.Helper()
	c := s
	c.t, c.dir = t, t.TempDir()
	if err := os.CopyFS(c.dir, os.DirFS(s.dir)); err != nil {
		t.Fatal(err)
	}
	c.msgs = filepath.Join(c.dir, strings.TrimPrefix(s.msgs, s.dir))
	return c
}

func (s store) change(path string, change func([]byte) []byte) {
	s.t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, change(data), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// record changes the block that holds a message: at is where the message's record
// begins in it, body where its body does.
func (s store) record(seq int, change func(data []byte, at, body int) []byte) {
	s.t.Helper()
	for _, path := range s.blocks() {
		found := false
		s.change(path, func(data []byte) []byte {
			body := bytes.Index(data, []byte(marker(seq)))
			if body < 0 {
				return data
			}
			found = true
			const head = 22 // before the subject
			return change(data, bytes.LastIndex(data[:body], []byte("room."))-head, body)
		})
		if found {
			return
		}
	}
	s.t.Fatalf("message %d in the store: got none, want one", seq)
}

// flip flips a bit of a message's record, so many bytes from its beginning.
func flip(seq, offset int) func(store) {
	return func(s store) {
		s.record(seq, func(data []byte, at, _ int) []byte {
			data[at+offset] ^= 1
			return data
		})
	}
}

func remove(s store, path ...string) {
	if err := os.Remove(filepath.Join(path...)); err != nil {
		s.t.Fatal(err)
	}
}

// last returns the last of a block's messages.
func (s store) last(path string) (seq int) {
	data, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	at := bytes.LastIndex(data, []byte("<message "))
	if _, err := fmt.Sscanf(string(data[at:at+20]), "<message %d>", &seq); err != nil {
		s.t.Fatal(err)
	}
	return seq
}

// TestDamage damages a store while it is closed. When it is opened again, exactly
// what was hit is gone, it is named in one line, and the log has a new epoch; the
// next opening finds nothing new.
func TestDamage(t *testing.T) {
	t.Parallel()
	whole := fillStore(t)
	firstEnd, secondEnd := whole.last(whole.blocks()[0]), whole.last(whole.blocks()[1])
	const n = storeMessages
	one := func(seq int) []int { return []int{seq} }
	upTo := func(first, last int) (all []int) {
		for seq := first; seq <= last; seq++ {
			all = append(all, seq)
		}
		return all
	}
	other := filepath.Join("..", "..") // from msgs to streams
	for name, test := range map[string]struct {
		damage func(store)
		lost   []int
		told   string // what the one line about the log names; "" if the epoch stays
		error  string // what another line says
	}{
		"payload, first block":         {damage: flip(10, 150), lost: one(10), told: "the message 10"},
		"payload, last block":          {damage: flip(n-5, 150), lost: one(n - 5), told: fmt.Sprint("the message ", n-5)},
		"payload, very first message":  {damage: flip(1, 150), lost: one(1), told: "the message 1"},
		"payload, very last message":   {damage: flip(n, 150), lost: one(n), told: fmt.Sprint("the message ", n)},
		"payload, last of its block":   {damage: flip(firstEnd, 150), lost: one(firstEnd), told: fmt.Sprint("the message ", firstEnd)},
		"two messages beside":          {damage: func(s store) { flip(20, 150)(s); flip(21, 150)(s) }, lost: upTo(20, 21), told: "the messages 20 to 21"},
		"two messages apart":           {damage: func(s store) { flip(20, 150)(s); flip(n-9, 150)(s) }, lost: []int{20, n - 9}, told: fmt.Sprintf("lost the message 20; lost the message %d", n-9)},
		"length, a little":             {damage: flip(30, 0), lost: one(30), told: "the message 30"},
		"length, much":                 {damage: flip(30, 2), lost: one(30), told: "the message 30"},
		"length, last message":         {damage: flip(n, 1), lost: one(n), told: fmt.Sprint("the message ", n)},
		"sequence":                     {damage: flip(30, 4), lost: one(30), told: "the message 30"},
		"sequence's marks of deletion": {damage: func(s store) { s.record(30, func(d []byte, at, _ int) []byte { d[at+11] ^= 0xc0; return d }) }, lost: one(30), told: "the message 30"},
		"time":                         {damage: flip(30, 12), lost: one(30), told: "the message 30"},
		"subject's length":             {damage: flip(30, 20), lost: one(30), told: "the message 30"},
		"subject":                      {damage: flip(30, 27), lost: one(30), told: "the message 30"},
		"message header":               {damage: flip(30, 22+len("room.0.general")+4+15), lost: one(30), told: "the message 30"},
		"message header's length":      {damage: flip(30, 22+len("room.0.general")), lost: one(30), told: "the message 30"},
		"a page of zeros": {damage: func(s store) {
			s.record(40, func(d []byte, _, body int) []byte { clear(d[body : body+400]); return d })
		}, lost: upTo(40, 41), told: "the messages 40 to 41"},
		"last block cut off inside a message": {damage: func(s store) {
			s.record(n-9, func(d []byte, _, body int) []byte { return d[:body+100] })
		}, lost: upTo(n-9, n), told: fmt.Sprintf("the messages %d to %d at its end", n-9, n)},
		"last block cut off between messages": {damage: func(s store) {
			s.record(n-9, func(d []byte, at, _ int) []byte { return d[:at] })
		}, lost: upTo(n-9, n), told: fmt.Sprintf("the messages %d to %d at its end", n-9, n)},
		"first block cut off inside a message": {damage: func(s store) {
			s.record(50, func(d []byte, _, body int) []byte { return d[:body+100] })
		}, lost: upTo(50, firstEnd), told: fmt.Sprintf("the messages 50 to %d", firstEnd)},
		"first block cut off between messages": {damage: func(s store) {
			s.record(50, func(d []byte, at, _ int) []byte { return d[:at] })
		}, lost: upTo(50, firstEnd), told: fmt.Sprintf("the messages 50 to %d", firstEnd)},
		"second block empty": {damage: func(s store) {
			s.change(s.blocks()[1], func([]byte) []byte { return nil })
		}, lost: upTo(firstEnd+1, secondEnd), told: fmt.Sprintf("the messages %d to %d", firstEnd+1, secondEnd)},
		"first block missing":  {damage: func(s store) { remove(s, s.blocks()[0]) }, lost: upTo(1, firstEnd), told: fmt.Sprintf("the messages 1 to %d at its beginning", firstEnd)},
		"second block missing": {damage: func(s store) { remove(s, s.blocks()[1]) }, lost: upTo(firstEnd+1, secondEnd), told: fmt.Sprintf("the messages %d to %d", firstEnd+1, secondEnd)},
		"last block missing":   {damage: func(s store) { remove(s, s.blocks()[2]) }, lost: upTo(secondEnd+1, n), told: fmt.Sprintf("the messages %d to %d at its end", secondEnd+1, n)},
		"all blocks missing": {damage: func(s store) {
			for _, block := range s.blocks() {
				remove(s, block)
			}
		}, lost: upTo(1, n), told: fmt.Sprintf("the messages 1 to %d at its end", n)},
		"the whole stream missing": {damage: func(s store) {
			if err := os.RemoveAll(filepath.Dir(s.msgs)); err != nil {
				t.Error(err)
			}
		}, lost: upTo(1, n), told: fmt.Sprintf("the messages 1 to %d at its end", n)},

		"nothing":       {damage: func(store) {}},
		"index missing": {damage: func(s store) { remove(s, s.msgs, "index.db") }},
		"index damaged": {damage: func(s store) {
			s.change(filepath.Join(s.msgs, "index.db"), func(d []byte) []byte { d[9] ^= 4; return d })
		}},
		"settings damaged": {damage: func(s store) {
			s.change(filepath.Join(s.msgs, "..", "meta.inf"), func(d []byte) []byte { d[9] ^= 4; return d })
		}, error: "the settings of a stream are damaged"},
		"settings missing":   {damage: func(s store) { remove(s, s.msgs, "..", "meta.inf") }, error: "the settings of a stream are damaged"},
		"settings' sum gone": {damage: func(s store) { remove(s, s.msgs, "..", "meta.sum") }, error: "the settings of a stream are damaged"},
		"settings of the values damaged": {damage: func(s store) {
			s.change(filepath.Join(s.msgs, other, "KV_server", "meta.inf"), func(d []byte) []byte { d[9] ^= 4; return d })
		}, error: "stream=KV_server"},
		"the values missing": {damage: func(s store) {
			if err := os.RemoveAll(filepath.Join(s.msgs, other, "KV_server")); err != nil {
				t.Error(err)
			}
		}, told: "lost its checkpoint", error: "value=guest-key"},
		"a value damaged": {damage: func(s store) {
			s.change(filepath.Join(s.msgs, other, "KV_server", "msgs", "1.blk"), func(d []byte) []byte {
				return bytes.Replace(d, []byte("made the first time"), []byte("made the First time"), 1)
			})
		}, error: "value=guest-key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := whole.copy(t)
			test.damage(s)

			var errors journal
			l := open(t, s.dir, smallBlocks, errors.option)
			key, err := l.Value(t.Context(), "guest-key", func() []byte { return []byte("made again") })
			if err != nil {
				t.Fatal(err)
			}
			told := 0
			for line := range strings.Lines(errors.String()) {
				if strings.Contains(line, "stream="+s.stream) && strings.Contains(line, "its clients start over") {
					told++
					if !strings.Contains(line, test.told) {
						t.Errorf("it says %q, want it to name %q", line, test.told)
					}
				}
			}
			if want := min(1, len(test.told)); told != want {
				t.Errorf("%d lines tell that the log is another one, want %d:\n%s", told, want, &errors)
			}
			if !strings.Contains(errors.String(), test.error) || test.told+test.error == "" && errors.String() != "" {
				t.Errorf("logged, want %q:\n%s", test.error, &errors)
			}
			if lost := strings.Contains(test.error, "guest-key"); lost != (string(key) == "made again") {
				t.Errorf("key: got %q, want made again: %v", key, lost)
			}
			after := l.Epoch(s.room)
			if isNew := after != s.epoch; isNew != (test.told != "") {
				t.Errorf("epoch %s after %s: got new %v, want %v", after, s.epoch, isNew, !isNew)
			}

			var want []string
			for seq := 1; seq <= s.messages; seq++ {
				if !slices.Contains(test.lost, seq) {
					want = append(want, marker(seq))
				}
			}
			next := put(t, l, s.room, "a new one", "a new one")
			if next.Seq <= uint64(s.messages) && test.told == "" {
				t.Errorf("sequence of a new message in the old epoch: got %d, want more than %d", next.Seq, s.messages)
			}
			read := func() (got []string) {
				for _, e := range readAll(t, l, s.room) {
					name, _, _ := strings.Cut(string(e.Body), "x")
					got = append(got, name)
				}
				return got
			}
			want = append(want, "a new one")
			if got := read(); !slices.Equal(got, want) {
				t.Errorf("%d messages can be read, want %d: %v", len(got), len(want), got)
			}
			l.Close()

			var again journal
			l = open(t, s.dir, smallBlocks, again.option)
			if l.Epoch(s.room) != after || again.String() != "" {
				t.Errorf("opened again: got epoch %s, want %s, and nothing logged:\n%s", l.Epoch(s.room), after, &again)
			}
			if got := read(); !slices.Equal(got, want) {
				t.Errorf("the second time %d messages can be read, want %d", len(got), len(want))
			}
			l.Close()
		})
	}
}

// TestDamageAnywhere damages a store at random. What is read afterwards is what
// was written, and if anything of it is missing the epoch is another one. SEED=n in
// the environment repeats a run.
func TestDamageAnywhere(t *testing.T) {
	t.Parallel()
	whole := fillStore(t)
	var written []string
	l := open(t, whole.dir, smallBlocks)
	for _, e := range readAll(t, l, whole.room) {
		written = append(written, string(e.Body))
	}
	l.Close()
	seed, runs := rand.Uint64(), 10
	if kept := os.Getenv("SEED"); kept != "" {
		var err error
		if seed, err = strconv.ParseUint(kept, 10, 64); err != nil {
			t.Fatal(err)
		}
		runs = 1
	}
	for ; runs > 0; runs, seed = runs-1, seed+1 {
		t.Run(fmt.Sprint("SEED=", seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 0))
			s := whole.copy(t)
			for range 1 + random.IntN(3) {
				block := s.blocks()[random.IntN(3)]
				s.change(block, func(data []byte) []byte {
					if len(data) == 0 {
						return data
					}
					from := random.IntN(len(data))
					to := min(len(data), from+1<<random.IntN(14))
					switch random.IntN(4) {
					case 0:
						data[from] ^= 1 << random.IntN(8)
					case 1:
						clear(data[from:to])
					case 2:
						for i := from; i < to; i++ {
							data[i] = byte(random.Uint32())
						}
					case 3:
						data = data[:from]
					}
					return data
				})
			}
			var errors journal
			l := open(t, s.dir, smallBlocks, errors.option)
			next, lost := 0, false
			for _, e := range readAll(t, l, s.room) {
				skipped := slices.Index(written[next:], string(e.Body))
				if skipped < 0 || e.Seq != uint64(next+skipped+1) {
					t.Fatalf("message %d: got %.20q, want what was written there", e.Seq, e.Body)
				}
				lost = lost || skipped > 0
				next += skipped + 1
			}
			lost = lost || next < len(written)
			if lost && l.Epoch(s.room) == s.epoch {
				t.Errorf("messages are missing: got the old epoch, want a new one; logged:\n%s", &errors)
			}
			if lost != strings.Contains(errors.String(), "stream="+s.stream) {
				t.Errorf("logged, want a line of the stream: %v:\n%s", lost, &errors)
			}
			l.Close()
		})
	}
}

// TestDamageWhileOpen damages a message of a store that is open and has not looked
// at it since. Reading goes on after it, and says where something is missing.
func TestDamageWhileOpen(t *testing.T) {
	t.Parallel()
	s := fillStore(t)
	var errors journal
	l := open(t, s.dir, smallBlocks, errors.option)
	flip(30, 150)(s)
	flip(31, 150)(s)
	flip(50, 150)(s)
	for range 2 {
		var gaps, got []uint64
		for seq := uint64(0); ; {
			page, err := l.After(t.Context(), s.room, seq, 64, 0)
			if err != nil {
				t.Fatal(err)
			}
			if page.Gone {
				gaps = append(gaps, page.Records[0].Seq)
			}
			for _, e := range page.Records {
				got = append(got, e.Seq)
			}
			if !page.More {
				break
			}
			seq = got[len(got)-1]
		}
		if want := []uint64{32, 51}; !slices.Equal(gaps, want) {
			t.Errorf("the gaps are before %d, want %d", gaps, want)
		}
		if len(got) != s.messages-3 {
			t.Errorf("%d messages can be read, want %d", len(got), s.messages-3)
		}
	}
	for _, want := range []string{"after=29 before=32", "after=49 before=51"} {
		if strings.Count(errors.String(), want) != 1 {
			t.Errorf("%q is not logged once:\n%s", want, &errors)
		}
	}
	l.Close()
}

// TestNoDamage reopens stores that lost nothing: after retention has removed
// messages, after an orderly stop and after a crash, also one in the middle of a
// write that nobody was told of. The epoch stays and nothing is logged.
func TestNoDamage(t *testing.T) {
	t.Parallel()
	for name, option := range map[string]func(*jetstream.Options){
		"everything kept":  func(*jetstream.Options) {},
		"the oldest go":    smallBlocks,
		"a room keeps few": func(o *jetstream.Options) { smallBlocks(o); o.MaxRoomMessages = 7 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var errors journal
			dir := t.TempDir()
			l := open(t, dir, option, errors.option)
			rooms := roomsOfOneShard(l, 3)
			epoch := l.Epoch(rooms[0])
			body := strings.Repeat("x", 1000)
			random := rand.New(rand.NewPCG(1, 2))
			for round := range 6 {
				for i := range 60 {
					put(t, l, rooms[random.IntN(3)], fmt.Sprint(round, i), body)
				}
				crashed := t.TempDir() // as it is on disk now, without an end
				if err := os.CopyFS(crashed, os.DirFS(dir)); err != nil {
					t.Fatal(err)
				}
				l.Close()
				if round%2 == 0 {
					dir = crashed
				}
				if round == 2 { // the head of a record, and not all of its message
					blocks, err := filepath.Glob(filepath.Join(dir, "jetstream", "$G", "streams", fmt.Sprintf("ROOMS_%d", l.Shard(rooms[0])), "msgs", "*.blk"))
					if err != nil || len(blocks) == 0 {
						t.Fatal(blocks, err)
					}
					newest := slices.MaxFunc(blocks, func(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) })
					data, err := os.ReadFile(newest)
					if err != nil || len(data) < 700 {
						t.Fatalf("the newest block: got %d bytes, %v, want at least 700", len(data), err)
					}
					if err := os.WriteFile(newest, append(data, data[:700]...), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				l = open(t, dir, option, errors.option)
				if l.Epoch(rooms[0]) != epoch || errors.String() != "" {
					t.Fatalf("round %d: got epoch %s, want %s, and nothing logged:\n%s", round, l.Epoch(rooms[0]), epoch, &errors)
				}
			}
			l.Close()
		})
	}
}
