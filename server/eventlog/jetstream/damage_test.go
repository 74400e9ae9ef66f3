package jetstream_test

import (
	"bytes"
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
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

// of returns the lines that name a stream.
func (j *journal) of(stream string) (lines string) {
	name := regexp.MustCompile(`\b` + stream + `\b`)
	for line := range strings.Lines(j.String()) {
		if name.MatchString(line) {
			lines += line
		}
	}
	return lines
}

func (j *journal) option(o *jetstream.Options) {
	o.Logger = slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelError}))
}

// store is a closed store, seen from one of its shards. The shard has one room, whose
// messages are in three blocks. The sequence of each is its number.
type store struct {
	t      *testing.T
	dir    string
	shards int
	room   string
	// msgs is the folder of the shard's blocks.
	stream, msgs string
	epoch        string // of the room
}

const storeMessages = 80 // of about 1,100 bytes

// smallBlocks makes NATS store in blocks of 32 KB, which it does for streams of
// up to 127 KB. Three of them are less than what retention would begin at.
func smallBlocks(shards int) func(*jetstream.Options) {
	return func(o *jetstream.Options) { o.MaxBytes = int64(shards) * 127_500 }
}

// marker is in the body of the message with this sequence and nowhere else.
func marker(seq int) string { return fmt.Sprintf("<message %d>", seq) }

func fillStore(t *testing.T) store { return fillStores(t, 1)[0] }

// fillStores fills one store with so many shards, and returns it as seen from each.
func fillStores(t *testing.T, shards int) []store {
	t.Helper()
	dir := t.TempDir()
	l := open(t, dir, jetstream.WithShards(shards), smallBlocks(shards))
	if _, err := l.Value(t.Context(), "guest-key", func() []byte { return []byte("made the first time") }); err != nil {
		t.Fatal(err)
	}
	stores := make([]store, shards)
	for i, found := 0, 0; found < shards; i++ {
		room := fmt.Sprint("room-", i)
		shard := l.Shard(room)
		if stores[shard].room != "" {
			continue
		}
		found++
		stream := fmt.Sprintf("websockets_ROOMS_%d", shard)
		stores[shard] = store{
			t: t, dir: dir, shards: shards, room: room, epoch: l.Epoch(room),
			stream: stream, msgs: filepath.Join(dir, "jetstream", "$G", "streams", stream, "msgs"),
		}
	}
	filler := strings.Repeat("x", 1000)
	receipts := appendAll(t, l, shards*storeMessages, func(i int) (room, key, body string) {
		room = stores[i/storeMessages].room
		return room, fmt.Sprint(room, i), marker(i%storeMessages+1) + filler
	})
	for i, r := range receipts {
		if want := uint64(i%storeMessages + 1); r.Seq != want {
			t.Fatalf("sequence of message %d: got %d, want %d", i, r.Seq, want)
		}
	}
	l.Close()
	for _, s := range stores {
		if blocks := s.blocks(); len(blocks) != 3 {
			t.Fatalf("blocks of %s: got %q, want three", s.stream, blocks)
		}
	}
	return stores
}

// open opens the store.
func (s store) open(change ...func(*jetstream.Options)) *jetstream.Log {
	s.t.Helper()
	return open(s.t, s.dir, append(change, smallBlocks(s.shards))...)
}

// read returns what can be read of the room, each message by its marker.
func (s store) read(l *jetstream.Log) (texts []string) {
	s.t.Helper()
	for _, e := range readAll(s.t, l, s.room) {
		text, _, _ := strings.Cut(string(e.Body), "x")
		texts = append(texts, text)
	}
	return texts
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

// headerAt is where the header begins in the records of the shard.
func (s store) headerAt() int {
	return 22 + len("websockets.room."+strings.TrimPrefix(s.stream, "websockets_ROOMS_")+"."+s.room)
}

// flipSome flips a bit of a file of at least ten bytes.
func flipSome(data []byte) []byte {
	data[9] ^= 4
	return data
}

// flip flips a bit of a message's record, at an offset from its beginning.
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

func removeAll(s store, path string) {
	err := os.RemoveAll(path)
	if err != nil {
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

// damage is damage to one shard of a closed store, and what is expected of it.
type damage struct {
	do    func(store)
	lost  []int  // sequences
	told  string // what the line about the new epoch names; "" if the epoch stays
	error string // what another line says
}

// damages returns damages to a shard whose first two blocks end with these messages.
func damages(firstEnd, secondEnd int) map[string]damage {
	const n = storeMessages
	one := func(seq int) []int { return []int{seq} }
	upTo := func(first, last int) (all []int) {
		for seq := first; seq <= last; seq++ {
			all = append(all, seq)
		}
		return all
	}
	return map[string]damage{
		"payload, first block":         {do: flip(10, 150), lost: one(10), told: "the message 10"},
		"payload, last block":          {do: flip(n-5, 150), lost: one(n - 5), told: fmt.Sprint("the message ", n-5)},
		"payload, very first message":  {do: flip(1, 150), lost: one(1), told: "the message 1"},
		"payload, very last message":   {do: flip(n, 150), lost: one(n), told: fmt.Sprint("the message ", n)},
		"payload, last of its block":   {do: flip(firstEnd, 150), lost: one(firstEnd), told: fmt.Sprint("the message ", firstEnd)},
		"two messages beside":          {do: func(s store) { flip(20, 150)(s); flip(21, 150)(s) }, lost: upTo(20, 21), told: "the messages 20 to 21"},
		"two messages apart":           {do: func(s store) { flip(20, 150)(s); flip(n-9, 150)(s) }, lost: []int{20, n - 9}, told: fmt.Sprintf("lost the message 20; lost the message %d", n-9)},
		"length, a little":             {do: flip(15, 0), lost: one(15), told: "the message 15"},
		"length, much":                 {do: flip(15, 2), lost: one(15), told: "the message 15"},
		"length, last message":         {do: flip(n, 1), lost: one(n), told: fmt.Sprint("the message ", n)},
		"sequence":                     {do: flip(15, 4), lost: one(15), told: "the message 15"},
		"sequence's flags of deletion": {do: func(s store) { s.record(15, func(d []byte, at, _ int) []byte { d[at+11] ^= 0xc0; return d }) }, lost: one(15), told: "the message 15"},
		"time":                         {do: flip(15, 12), lost: one(15), told: "the message 15"},
		"subject's length":             {do: flip(15, 20), lost: one(15), told: "the message 15"},
		"subject":                      {do: flip(15, 27), lost: one(15), told: "the message 15"},
		"message header":               {do: func(s store) { flip(15, s.headerAt()+4+15)(s) }, lost: one(15), told: "the message 15"},
		"message header's length":      {do: func(s store) { flip(15, s.headerAt())(s) }, lost: one(15), told: "the message 15"},
		"a page of zeros": {do: func(s store) {
			s.record(40, func(d []byte, _, body int) []byte { clear(d[body : body+1100]); return d })
		}, lost: upTo(40, 41), told: "the messages 40 to 41"},
		"last block cut off inside a message": {do: func(s store) {
			s.record(n-9, func(d []byte, _, body int) []byte { return d[:body+100] })
		}, lost: upTo(n-9, n), told: fmt.Sprintf("the messages %d to %d at its end", n-9, n)},
		"last block cut off between messages": {do: func(s store) {
			s.record(n-9, func(d []byte, at, _ int) []byte { return d[:at] })
		}, lost: upTo(n-9, n), told: fmt.Sprintf("the messages %d to %d at its end", n-9, n)},
		"first block cut off inside a message": {do: func(s store) {
			s.record(15, func(d []byte, _, body int) []byte { return d[:body+100] })
		}, lost: upTo(15, firstEnd), told: fmt.Sprintf("the messages 15 to %d", firstEnd)},
		"first block cut off between messages": {do: func(s store) {
			s.record(15, func(d []byte, at, _ int) []byte { return d[:at] })
		}, lost: upTo(15, firstEnd), told: fmt.Sprintf("the messages 15 to %d", firstEnd)},
		"second block empty": {do: func(s store) {
			s.change(s.blocks()[1], func([]byte) []byte { return nil })
		}, lost: upTo(firstEnd+1, secondEnd), told: fmt.Sprintf("the messages %d to %d", firstEnd+1, secondEnd)},
		"first block missing":  {do: func(s store) { remove(s, s.blocks()[0]) }, lost: upTo(1, firstEnd), told: fmt.Sprintf("the messages 1 to %d at its beginning", firstEnd)},
		"second block missing": {do: func(s store) { remove(s, s.blocks()[1]) }, lost: upTo(firstEnd+1, secondEnd), told: fmt.Sprintf("the messages %d to %d", firstEnd+1, secondEnd)},
		"last block missing":   {do: func(s store) { remove(s, s.blocks()[2]) }, lost: upTo(secondEnd+1, n), told: fmt.Sprintf("the messages %d to %d at its end", secondEnd+1, n)},
		"all blocks missing": {do: func(s store) {
			for _, block := range s.blocks() {
				remove(s, block)
			}
		}, lost: upTo(1, n), told: fmt.Sprintf("the messages 1 to %d at its end", n)},
		"the whole stream missing": {do: func(s store) { removeAll(s, filepath.Dir(s.msgs)) }, lost: upTo(1, n), told: fmt.Sprintf("the messages 1 to %d at its end", n)},

		"nothing":       {do: func(store) {}},
		"index missing": {do: func(s store) { remove(s, s.msgs, "index.db") }},
		"index damaged": {do: func(s store) { s.change(filepath.Join(s.msgs, "index.db"), flipSome) }},
		"settings damaged": {
			do: func(s store) { s.change(filepath.Join(s.msgs, "..", "meta.inf"), flipSome) }, error: "the settings of a stream are damaged"},
		"settings missing":   {do: func(s store) { remove(s, s.msgs, "..", "meta.inf") }, error: "the settings of a stream are damaged"},
		"settings' sum gone": {do: func(s store) { remove(s, s.msgs, "..", "meta.sum") }, error: "the settings of a stream are damaged"},
	}
}

// TestDamage damages the shards of a closed store, each in another way. When it is
// opened again, exactly what was hit is gone, one line names it, and the shard has a
// new epoch; the next opening finds nothing new.
func TestDamage(t *testing.T) {
	t.Parallel()
	stores := fillStores(t, len(damages(0, 0)))
	tests := damages(stores[0].last(stores[0].blocks()[0]), stores[0].last(stores[0].blocks()[1]))
	checkDamages(t, stores, tests)
}

// TestDamageOfValues damages the key-value store of the server.
func TestDamageOfValues(t *testing.T) {
	t.Parallel()
	values := func(s store) string { return filepath.Join(s.msgs, "..", "..", "KV_websockets_server") }
	for name, test := range map[string]damage{
		"settings damaged": {do: func(s store) { s.change(filepath.Join(values(s), "meta.inf"), flipSome) }, error: "stream=KV_websockets_server"},
		"all missing": {
			do:   func(s store) { removeAll(s, values(s)) },
			told: "lost its checkpoint", error: "value=guest-key"},
		"a value damaged": {do: func(s store) {
			s.change(filepath.Join(values(s), "msgs", "1.blk"), func(d []byte) []byte {
				return bytes.Replace(d, []byte("made the first time"), []byte("made the First time"), 1)
			})
		}, error: "value=guest-key"},
	} {
		checkDamages(t, fillStores(t, 1), map[string]damage{name: test})
	}
}

// checkDamages damages each shard of a store in another way, opens it twice and checks
// what is left.
func checkDamages(t *testing.T, stores []store, tests map[string]damage) {
	t.Helper()
	whole := stores[0]
	names := slices.Sorted(maps.Keys(tests))
	keyLost := false
	for i, name := range names {
		tests[name].do(stores[i])
		keyLost = keyLost || strings.Contains(tests[name].error, "guest-key")
	}
	var errors journal
	l := whole.open(errors.option)
	key, err := l.Value(t.Context(), "guest-key", func() []byte { return []byte("made again") })
	if err != nil || keyLost != (string(key) == "made again") {
		t.Errorf("key: got %q, %v, want made again: %v", key, err, keyLost)
	}
	epochs, left := map[string]string{}, map[string][]string{}
	for i, name := range names {
		s, test := stores[i], tests[name]
		t.Run(name, func(t *testing.T) {
			s.t = t
			told := 0
			for line := range strings.Lines(errors.of(s.stream)) {
				if strings.Contains(line, "its clients start over") {
					told++
					if !strings.Contains(line, test.told) {
						t.Errorf("it says %q, want it to name %q", line, test.told)
					}
				}
			}
			if want := min(1, len(test.told)); told != want {
				t.Errorf("%d lines tell that the log is another one, want %d:\n%s", told, want, &errors)
			}
			logged := errors.String()
			if len(names) > 1 {
				logged = errors.of(s.stream)
			}
			if !strings.Contains(logged, test.error) || test.told+test.error == "" && logged != "" {
				t.Errorf("logged, want %q:\n%s", test.error, logged)
			}
			epochs[name] = l.Epoch(s.room)
			if isNew := epochs[name] != s.epoch; isNew != (test.told != "") {
				t.Errorf("epoch %s after %s: got new %v, want %v", epochs[name], s.epoch, isNew, !isNew)
			}
			next := put(t, l, s.room, s.room+"a new one", "a new one")
			if next.Seq <= storeMessages && test.told == "" {
				t.Errorf("sequence of a new message in the old epoch: got %d, want more than %d", next.Seq, storeMessages)
			}
			for seq := 1; seq <= storeMessages; seq++ {
				if !slices.Contains(test.lost, seq) {
					left[name] = append(left[name], marker(seq))
				}
			}
			left[name] = append(left[name], "a new one")
			if got := s.read(l); !slices.Equal(got, left[name]) {
				t.Errorf("%d messages can be read, want %d: %v", len(got), len(left[name]), got)
			}
		})
	}
	l.Close()

	var again journal
	l = whole.open(again.option)
	if again.String() != "" {
		t.Errorf("opened again: got logged, want nothing:\n%s", &again)
	}
	for i, name := range names {
		s := stores[i]
		if got := l.Epoch(s.room); got != epochs[name] {
			t.Errorf("%s, opened again: got epoch %s, want %s", name, got, epochs[name])
		}
		if got := s.read(l); !slices.Equal(got, left[name]) {
			t.Errorf("%s, opened again: %d messages can be read, want %d", name, len(got), len(left[name]))
		}
	}
	l.Close()
}

// TestDamageAnywhere damages the shards of a store at random. What is read afterwards
// is what was written, and if anything of it is missing the epoch is another one.
// SEED=n in the environment repeats a run.
func TestDamageAnywhere(t *testing.T) {
	t.Parallel()
	first, runs := rand.Uint64(), 10
	if kept := os.Getenv("SEED"); kept != "" {
		var err error
		if first, err = strconv.ParseUint(kept, 10, 64); err != nil {
			t.Fatal(err)
		}
		runs = 1
	}
	stores := fillStores(t, runs)
	for i, s := range stores {
		s.damageAnywhere(rand.New(rand.NewPCG(first+uint64(i), 0)))
	}
	var errors journal
	l := stores[0].open(errors.option)
	for i, s := range stores {
		t.Run(fmt.Sprint("SEED=", first+uint64(i)), func(t *testing.T) {
			s.t = t
			next, lost := 1, false
			for _, e := range readAll(t, l, s.room) {
				seq := int(e.Seq)
				if seq < next || seq > storeMessages || !strings.HasPrefix(string(e.Body), marker(seq)+"x") || len(e.Body) != len(marker(seq))+1000 {
					t.Fatalf("message %d: got %.20q, want what was written there", seq, e.Body)
				}
				lost = lost || seq > next
				next = seq + 1
			}
			lost = lost || next <= storeMessages
			logged := errors.of(s.stream)
			if lost && l.Epoch(s.room) == s.epoch {
				t.Errorf("messages are missing: got the old epoch, want a new one; logged:\n%s", logged)
			}
			if lost != (logged != "") {
				t.Errorf("logged, want a line of the stream: %v:\n%s", lost, logged)
			}
		})
	}
	l.Close()
}

func (s store) damageAnywhere(random *rand.Rand) {
	s.t.Helper()
	for range 1 + random.IntN(3) {
		s.change(s.blocks()[random.IntN(3)], func(data []byte) []byte {
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
}

// TestDamageWhileOpen damages a message of a store that is open and does not have it in
// memory. Reading goes on after it, and says where something is missing.
func TestDamageWhileOpen(t *testing.T) {
	t.Parallel()
	s := fillStore(t)
	var errors journal
	l := s.open(errors.option)
	l.AwaitKeys(s.room) // a file is not to be read while it is damaged
	flip(10, 150)(s)
	flip(11, 150)(s)
	flip(20, 150)(s)
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
		if want := []uint64{12, 21}; !slices.Equal(gaps, want) {
			t.Errorf("the gaps are before %d, want %d", gaps, want)
		}
		if len(got) != storeMessages-3 {
			t.Errorf("%d messages can be read, want %d", len(got), storeMessages-3)
		}
	}
	for _, want := range []string{"after=9 before=12", "after=19 before=21"} {
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
		"the oldest go":    smallBlocks(1),
		"a room keeps few": func(o *jetstream.Options) { smallBlocks(1)(o); o.MaxRoomMessages = 7 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var errors journal
			dir := t.TempDir()
			l := open(t, dir, option, errors.option)
			rooms := []string{"a", "b", "c"}
			epoch := l.Epoch(rooms[0])
			body := strings.Repeat("x", 1000)
			random := rand.New(rand.NewPCG(1, 2))
			for round := range 4 {
				appendAll(t, l, 90, func(i int) (room, key, text string) {
					return rooms[random.IntN(3)], fmt.Sprint(round, "-", i), body
				})
				if round%2 == 0 { // as it is on disk now, without an end
					crashed := t.TempDir()
					err := os.CopyFS(crashed, os.DirFS(dir))
					if err != nil {
						t.Fatal(err)
					}
					dir = crashed
				}
				l.Close()
				if round == 2 { // the head of a record, and not all of its message
					blocks, err := filepath.Glob(filepath.Join(dir, "jetstream", "$G", "streams", "websockets_ROOMS_0", "msgs", "*.blk"))
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
