package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"websockets/server/servertest"
	"websockets/shared"
	"websockets/wasm/client"
)

const (
	pingAndPong = 33 * time.Second // how long a member may be silent before it is closed
	grace       = 3 * time.Second  // how long it counts as present after that
)

// TestVanishedMembersAreGone: a member that is killed leaves the room, and one whose
// line goes dead leaves it too, but not before ping and pong wait. A member that
// comes back within the grace has never left.
func TestVanishedMembersAreGone(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, "--rate", "0")
	watch := lookOut(t, server)
	line := servertest.NewProxy(t, server.Addr)

	alive := time.Now()
	killed := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "aside"}).Welcome // makes a user
	process := memberProcess(t, server, killed.Session)
	silent := servertest.Listen(servertest.Dial(t, line.WS(), servertest.DialOptions{Room: "x"}), "x")
	user := newRecorder(t, line.WS(), "user", []string{"x"})
	leave := user.start()
	defer leave()
	user.awaitJoined([]string{"x"})
	userID := user.client.View().Me.User
	for who, id := range map[string]string{"the process": killed.User, "the silent client": silent.Welcome.User, "the real client": userID} {
		watch.await("joining of "+who, func(w *lookout) bool { return w.joined[id] > 0 })
	}

	line.Hold()
	said := servertest.FloodRoom(t, servertest.DialAll(t, server.WS(), 1, servertest.DialOptions{Room: "x"}), "x", "said", 50, 10, func(id string) string { return id })
	if err := process.Process.Kill(); err != nil {
		t.Fatal(err)
	}

	// Meanwhile some come and go, too fast to be noticed. The last one stays away:
	// when that is told, so would have been what was before it.
	flicker := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "x"})
	watch.await("joining of one who flickers", func(w *lookout) bool { return w.joined[flicker.Welcome.User] > 0 })
	shaky := servertest.NewProxy(t, server.Addr)
	restless := newRecorder(t, shaky.WS(), "restless", []string{"x"})
	leaveToo := restless.start()
	defer leaveToo()
	restless.awaitJoined([]string{"x"})
	restlessID := restless.client.View().Me.User
	watch.await("joining of one whose line is cut", func(w *lookout) bool { return w.joined[restlessID] > 0 })
	session, id := flicker.Welcome.Session, flicker.Welcome.User
	inTime := map[string]bool{id: true, restlessID: true}
	for range 3 {
		begin := time.Now()
		servertest.Close(flicker) // without a close frame
		flicker = servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "x", Session: session})
		servertest.Await(flicker, shared.Synced)
		inTime[id] = inTime[id] && time.Since(begin) < grace
		begin = time.Now()
		lines := shaky.Lines()
		shaky.Cut()
		restless.await("coming back", func() bool { return shaky.Lines() > lines && restless.client.View().Room.Synced })
		inTime[restlessID] = inTime[restlessID] && time.Since(begin) < grace
	}
	last := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "x"})
	servertest.Await(last, shared.Synced)
	servertest.Close(last)
	watch.await("leaving of the last one", func(w *lookout) bool { return !w.left[last.Welcome.User].IsZero() })
	for who, id := range map[string]string{"a test's client": id, "a real client": restlessID} {
		t.Run(who+" comes back within the grace", func(t *testing.T) {
			if !inTime[id] {
				t.Skip("NOT RUN: it took longer than the grace to come back: this machine is too slow to see that it never left")
			}
			if joined, left := watch.of(id); joined != 1 || !left.IsZero() {
				t.Errorf("got %d joinings and the last leaving at %v, want 1 and none", joined, left)
			}
		})
	}

	watch.gone("the killed process", killed.User, alive, 0)
	watch.gone("a client whose line was dead", silent.Welcome.User, alive, pingAndPong)
	watch.gone("a real client whose line was dead", userID, alive, pingAndPong)
	if count := watch.lastCount(); count != 4 {
		t.Errorf("users of the last presence event: got %d, want 4: the lookout, the sender, and the two that flickered", count)
	}

	// It comes back by itself, and has missed nothing.
	line.Cut()
	line.Forward()
	want := servertest.IDs(said)
	user.awaitShown(map[string][]string{"x": want})
	if got := user.shownIn("x"); !slices.Equal(got, want) {
		t.Errorf("the room of the real client: %s", difference(got, want))
	}
	watch.await("return of the real client", func(w *lookout) bool { return w.joined[userID] == 2 })
}

// TestWhoStaysAwayIsClosed: members that do not read for longer than ping and pong
// wait are closed then and not earlier, cost little memory until then, and get the
// rest on their next connection.
func TestWhoStaysAwayIsClosed(t *testing.T) {
	t.Parallel()
	const readers, messages, size = 8, 600, 4 * shared.MaxMessageLength // 10 MB
	server := servertest.Start(t, "--rate", "0", "--fsync", "interval")
	watch := lookOut(t, server)
	var slow []*servertest.Listener
	for range readers {
		slow = append(slow, servertest.Listen(servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "x", SmallWindow: true}), "x"))
	}
	senders := servertest.DialAll(t, server.WS(), 2, servertest.DialOptions{Room: "x"})
	text := strings.Repeat("𝒳", shared.MaxMessageLength)
	flood := func(name string) []servertest.Stored {
		return servertest.FloodRoom(t, senders, "x", name, messages, 20, func(string) string { return text })
	}
	watched := server.WatchMemory()
	record := flood("seen")
	for _, l := range slow {
		l.Await(len(record))
	}
	before := watched()

	alive := time.Now()
	for _, l := range slow {
		servertest.Send(l.Conn, shared.Ping, shared.Empty{}) // the last sign of life
		l.Stop()
	}
	watched = server.WatchMemory()
	record = append(record, flood("missed")...)
	for i, l := range slow {
		watch.gone(fmt.Sprint("reader ", i), l.Welcome.User, alive, pingAndPong)
	}
	peak := watched()
	// The store caches what was written lately, and the heap may be twice that. A copy
	// for each reader would be twice the limit.
	if grown, limit := peak-before, int64(readers*messages*size/2); grown > limit {
		t.Errorf("growth of the server's memory: got %d MB, want at most %d MB", grown>>20, limit>>20)
	}

	for i, l := range slow {
		l.Resume()
		<-l.Ended
		got := l.Record()
		if len(got) < messages || len(got) == len(record) {
			t.Fatalf("messages of reader %d on its first connection: got %d, want %d and more, but not all of %d", i, len(got), messages, len(record))
		}
		last := got[len(got)-1]
		cursor := shared.Cursor{Epoch: l.Epoch, Seq: last.Seq, ID: last.ID}
		again := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "x", Session: l.Welcome.Session, After: &cursor})
		if joined := servertest.Await(again, shared.RoomJoined); joined.State != shared.StateRecovered || joined.Cursor != cursor {
			t.Errorf("reader %d comes back: got %s at %+v, want %s at %+v", i, joined.State, joined.Cursor, shared.StateRecovered, cursor)
		}
		got = append(got, servertest.ReadUpTo(again, shared.Synced)...)
		if d := servertest.Difference(got, record); d != "" {
			t.Errorf("reader %d: %s", i, d)
		}
	}
}

// memberEnv makes a process of this test binary a member of the room "x" at the
// address that it has, for as long as it lives.
const memberEnv = "WEBSOCKETS_TEST_MEMBER"

func init() {
	url := os.Getenv(memberEnv)
	if url == "" {
		return
	}
	c, err := client.New(client.Config{URL: url, Room: "x", Session: os.Getenv(memberEnv + "_SESSION")})
	if err == nil {
		err = c.Run(context.Background())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func memberProcess(t *testing.T, server *servertest.Process, session string) *exec.Cmd {
	t.Helper()
	process := exec.Command(os.Args[0])
	process.Env = append(os.Environ(), memberEnv+"="+server.WS(), memberEnv+"_SESSION="+session)
	process.Stderr = os.Stderr
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Process.Kill()
		_ = process.Wait()
	})
	return process
}

// lookout is a member of the room "x" that notes who came and who went.
type lookout struct {
	*servertest.Conn

	mu     sync.Mutex
	joined map[string]int // times, by user
	left   map[string]time.Time
	count  int
	news   chan struct{} // closed and replaced with each event
}

// lookOut watches until the test ends.
func lookOut(t *testing.T, server *servertest.Process) *lookout {
	w := &lookout{
		Conn:   servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "x"}),
		joined: map[string]int{}, left: map[string]time.Time{}, news: make(chan struct{}),
	}
	servertest.Await(w.Conn, shared.Synced)
	var running sync.WaitGroup
	running.Go(w.run)
	t.Cleanup(func() {
		_ = w.WS.Close()
		running.Wait()
	})
	return w
}

func (w *lookout) run() {
	for {
		p, err := servertest.TryAwait(w.Conn, shared.Presence)
		if err != nil {
			return
		}
		w.mu.Lock()
		for _, m := range p.Joined {
			w.joined[m.User]++
		}
		for _, user := range p.Left {
			w.left[user] = time.Now()
		}
		w.count = p.Count
		close(w.news)
		w.news = make(chan struct{})
		w.mu.Unlock()
	}
}

// await waits until what was seen makes done true.
func (w *lookout) await(what string, done func(*lookout) bool) {
	w.T.Helper()
	deadline := time.After(servertest.Patience)
	for {
		w.mu.Lock()
		ok, news := done(w), w.news
		w.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-news:
		case <-deadline:
			w.T.Fatalf("waited %v for the %s to be told", servertest.Patience, what)
		}
	}
}

func (w *lookout) of(user string) (joined int, left time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.joined[user], w.left[user]
}

// gone waits until a user is told to have left, and checks that this was not earlier
// than that after its last sign of life, which it gave after alive.
func (w *lookout) gone(who, user string, alive time.Time, least time.Duration) {
	w.T.Helper()
	w.await("leaving of "+who, func(w *lookout) bool { return !w.left[user].IsZero() })
	_, left := w.of(user)
	if after := left.Sub(alive); after < least {
		w.T.Errorf("%s was told to have left: got that %v after it was alive, want at least %v", who, after, least)
	}
}

func (w *lookout) lastCount() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}
