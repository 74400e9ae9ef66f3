package jetstream_test

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"websockets/server/eventlog"
	"websockets/server/eventlog/jetstream"
	"websockets/server/servertest"
)

// settingLines returns the lines about settings, without their times.
func (j *journal) settingLines() (lines []string) {
	for line := range strings.Lines(j.String()) {
		if strings.Contains(line, " setting=") {
			lines = append(lines, strings.TrimSpace(line[strings.Index(line, "msg="):]))
		}
	}
	return lines
}

// fillRooms stores ten messages in the room long and two in the room short.
func fillRooms(t *testing.T, l *jetstream.Log) {
	t.Helper()
	for i := range 10 {
		put(t, l, "long", fmt.Sprint("long ", i), fmt.Sprint("message ", i))
		if i < 2 {
			put(t, l, "short", fmt.Sprint("short ", i), fmt.Sprint("message ", i))
		}
	}
}

func count(t *testing.T, l *jetstream.Log, room string) int {
	t.Helper()
	n, err := l.Count(t.Context(), room, 0)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// isGone reports whether the log says that messages after seq may have expired.
func isGone(t *testing.T, l *jetstream.Log, room string, seq uint64) bool {
	t.Helper()
	page, err := l.After(t.Context(), room, seq, 100, 0)
	if err != nil {
		t.Fatal(err)
	}
	return page.Gone
}

func limits(o *jetstream.Options) { o.MaxBytes, o.MaxAge, o.MaxRoomMessages = 300_000, time.Hour, 3 }
func apply(o *jetstream.Options)  { o.ApplySettings = true }

// A store keeps its settings and its messages when it is opened with other Options. Each
// difference is one line in the log, every time.
func TestOpeningChangesNoSetting(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir, jetstream.WithShards(2))
	fillRooms(t, l)
	l.Close()
	want := []string{
		`setting=--max-bytes store="1073741824 bytes" wanted="300000 bytes"`,
		`setting=--max-age store="no limit" wanted=1h0m0s`,
		`setting=--max-room-messages store="no limit" wanted=3`,
	}
	for start := range 2 {
		var log journal
		l = open(t, dir, limits, log.all)
		if n := count(t, l, "long"); n != 10+start {
			t.Errorf("messages: got %d, want %d", n, 10+start)
		}
		if isGone(t, l, "long", 3) {
			t.Error("the log says that messages may have expired, want that they are all there")
		}
		lines := log.settingLines()
		if len(lines) != len(want) {
			t.Fatalf("lines about settings: got\n%s\nwant %d", strings.Join(lines, "\n"), len(want))
		}
		for i, line := range lines {
			if !strings.Contains(line, want[i]) || !strings.Contains(line, "--apply-settings") {
				t.Errorf("line about a setting: got %s, want %s and --apply-settings in it", line, want[i])
			}
		}
		put(t, l, "long", fmt.Sprint("start ", start), "another")
		l.Close()
	}
	var log journal
	open(t, dir, log.all)
	if lines := log.settingLines(); len(lines) > 0 {
		t.Errorf("lines about settings with the store's own: got %q, want none", lines)
	}
}

// A new store gets the settings in Options.
func TestNewStoreGetsItsSettings(t *testing.T) {
	t.Parallel()
	var log journal
	dir := t.TempDir()
	l := open(t, dir, limits, log.all)
	fillRooms(t, l)
	if n := count(t, l, "long"); n != 3 {
		t.Errorf("messages: got %d, want 3", n)
	}
	l.Close()
	l = open(t, dir, log.all) // with other ones
	put(t, l, "long", "another", "another")
	if n := count(t, l, "long"); n != 3 {
		t.Errorf("messages after another start: got %d, want 3", n)
	}
	if !isGone(t, l, "long", 1) {
		t.Error("got a page without a gap, want that messages may have expired: the store's limit counts, not the one in Options")
	}
	if got := log.settingLines(); len(got) != 3 || !strings.Contains(got[2], `setting=--max-room-messages store=3 wanted="no limit"`) {
		t.Errorf("lines about settings: got %q, want three", got)
	}
}

// ApplySettings changes the settings. The log says first what that deletes, and what is
// deleted is no loss.
func TestApplySettings(t *testing.T) {
	t.Parallel()
	var log, errors journal
	dir := t.TempDir()
	l := open(t, dir)
	fillRooms(t, l)
	epoch := l.Epoch("long")
	l.Close()

	l = open(t, dir, limits, apply, log.all)
	crashed := t.TempDir() // as it is on disk now, most likely with the checkpoint from before
	err := os.CopyFS(crashed, os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	lines := log.settingLines()
	want := `setting=--max-room-messages store="no limit" wanted=3 deletes="7 of 12 messages, about `
	if len(lines) != 3 || !strings.Contains(lines[2], want) {
		t.Errorf("lines about settings: got %q, want three, the last with %s", lines, want)
	}
	if n := count(t, l, "long"); n != 3 {
		t.Errorf("messages: got %d, want 3", n)
	}
	place, err := l.Locate(t.Context(), "long", 1)
	if err != nil || place.State != eventlog.Expired {
		t.Errorf("the first message: got %+v, %v, want that it has expired", place, err)
	}
	if !isGone(t, l, "long", 1) {
		t.Error("got a page without a gap, want that messages may have expired")
	}
	l.Close()

	for name, folder := range map[string]string{"another start": dir, "a crash": crashed} {
		l = open(t, folder, limits, errors.option)
		if l.Epoch("long") != epoch || errors.String() != "" {
			t.Errorf("after %s: got epoch %s, want %s, and no error:\n%s", name, l.Epoch("long"), epoch, &errors)
		}
	}
}

// What an earlier limit has removed is still told when the limit is gone, and a room that
// the limit never concerned has no gap. (An embedded store that is opened again without
// the limit finds what it removed in its files.)
func TestEarlierLimitsCount(t *testing.T) {
	t.Parallel()
	nats := startNATS(t, 1)
	l := open(t, "", on(nats), func(o *jetstream.Options) { o.MaxRoomMessages = 3 })
	fillRooms(t, l)
	l.Close()
	for _, change := range []func(*jetstream.Options){
		func(o *jetstream.Options) { o.ApplySettings, o.MaxRoomMessages = true, 50 },
		func(o *jetstream.Options) { o.ApplySettings = true },
		func(*jetstream.Options) {},
	} {
		l = open(t, "", on(nats), change)
		if !isGone(t, l, "long", 1) {
			t.Error("got a page without a gap, want that messages may have expired")
		}
		if isGone(t, l, "short", 1) {
			t.Error("the room with two messages: got a gap, want none: the limit was three")
		}
		put(t, l, "long", fmt.Sprint(time.Now()), "one more than the limit")
		l.Close()
	}
	l = open(t, "", on(nats))
	if n := count(t, l, "long"); n != 6 {
		t.Errorf("messages: got %d, want 6: the limit is gone", n)
	}
}

// The estimate of what a smaller size deletes is about right.
func TestApplySize(t *testing.T) {
	t.Parallel()
	var log journal
	store := fillStore(t)
	half := func(o *jetstream.Options) { smallBlocks(1)(o); o.MaxBytes = 45_000 }
	l := open(t, store.dir, half, apply, log.all)
	left := count(t, l, store.room)
	text := regexp.MustCompile(`deletes="(\d+) of 80 messages, about (\d+) bytes`).FindStringSubmatch(log.String())
	if text == nil {
		t.Fatalf("the log: got\n%s\nwant what is deleted", &log)
	}
	said, _ := strconv.Atoi(text[1])
	if deleted := storeMessages - left; deleted < 10 || said < deleted-2 || said > deleted+2 {
		t.Errorf("deleted messages: got %d and %d in the log, want about as many", deleted, said)
	}
	if l.Epoch(store.room) != store.epoch {
		t.Error("the epoch has changed, want the same: nothing was lost")
	}
}

// A stream whose settings were damaged is created again with those of the others, so that
// it keeps its messages.
func TestDamagedSettingsAreThoseOfTheOthers(t *testing.T) {
	t.Parallel()
	stores := fillStores(t, 2)
	stores[1].change(stores[1].msgs+"/../meta.inf", flipSome)
	l := open(t, stores[1].dir, func(o *jetstream.Options) { smallBlocks(2)(o); o.MaxRoomMessages = 3 })
	if n := count(t, l, stores[1].room); n != storeMessages {
		t.Errorf("messages: got %d, want %d", n, storeMessages)
	}
}

// The number of shards says in which one a room is, so another number is refused.
func TestAnotherNumberOfShardsIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir, jetstream.WithShards(2))
	if err := l.Values(eventlog.Server).Put(t.Context(), "", "shards", []byte("3")); err != nil {
		t.Fatal(err)
	}
	l.Close()
	l, err := tryOpen(t, dir, apply)
	if err == nil {
		l.Close()
		t.Fatal("got a log, want an error")
	}
	if !strings.Contains(err.Error(), "2 shards") || !strings.Contains(err.Error(), "says 3: restore both from the same backup") {
		t.Errorf("got %v, want both numbers and what to do", err)
	}
}

// Servers that are running go by settings that another one changes.
func TestSettingsAreFollowed(t *testing.T) {
	t.Parallel()
	nats := startNATS(t, 1)
	var log journal
	a := open(t, "", on(nats), log.all)
	fillRooms(t, a)
	if isGone(t, a, "long", 3) {
		t.Fatal("the log says that messages may have expired, want that they are all there")
	}
	b := open(t, "", on(nats), apply, func(o *jetstream.Options) { o.MaxRoomMessages = 3 })
	if n := count(t, a, "long"); n != 3 {
		t.Errorf("messages: got %d, want 3", n)
	}
	if !isGone(t, a, "long", 3) {
		t.Error("at the server that was running: got a page without a gap, want that messages may have expired")
	}
	if !strings.Contains(log.String(), `has changed the settings of the store" stream=websockets_ROOMS_0 before="messages per room no limit" now="messages per room 3"`) {
		t.Errorf("the log of the server that was running: got\n%s\nwant that the settings were changed", &log)
	}
	b.Close()
	a.Close()
}

func startNATS(t *testing.T, nodes int) *servertest.NATS {
	t.Helper()
	if testing.Short() {
		t.Skip("NOT RUN: NATS processes, because of -short")
	}
	return servertest.StartNATS(t, nodes)
}

// on makes a log use external servers.
func on(n *servertest.NATS) func(*jetstream.Options) {
	return func(o *jetstream.Options) { o.Servers = n.URL() }
}
