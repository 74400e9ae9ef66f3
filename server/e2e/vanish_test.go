//go:build unix

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"websockets/server/servertest"
	"websockets/shared"
	"websockets/wasm/client"
)

// How long a member may be silent, how long it then counts as present, and how
// often that is looked at: what the server promises.
const (
	pingAndPong = 33 * time.Second
	grace       = 3 * time.Second
	aLittle     = 4 * time.Second // ticks of a second, and a busy machine
)

// TestVanishedMembersAreGone: who is killed is gone from the room after the
// grace, whose line goes dead after ping and pong wait and the grace, and not
// earlier. Who comes back within the grace was never away.
func TestVanishedMembersAreGone(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, "--rate", "0")
	watch := lookOut(t, server)
	line := servertest.NewProxy(t, server.Addr)

	alive := time.Now()
	killed := connect(t, server.Addr, way{room: "aside"}).welcome // makes a user
	process := memberProcess(t, server, killed.Session)
	silent := listen(connect(t, line.Addr, way{room: "x"}), "x")
	user := newRecorder(t, line.WS(), "user", []string{"x"})
	leave := user.start()
	defer leave()
	user.awaitJoined([]string{"x"})
	userID := user.client.View().Me.User
	for who, id := range map[string]string{"the process": killed.User, "the silent client": silent.welcome.User, "the real client": userID} {
		watch.await("joining of "+who, func(w *lookout) bool { return w.joined[id] > 0 })
	}

	line.Hold()
	frozen := time.Now()
	said := floodRoom(t, connectAll(t, server.Addr, 1, way{room: "x"}), "x", "said", 50, 10, func(id string) string { return id })
	if err := process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	dead := time.Now()

	// Meanwhile some come and go, too fast to be noticed. The last one stays away:
	// when that is told, so would have been what was before it.
	flicker := connect(t, server.Addr, way{room: "x"})
	watch.await("joining of one who flickers", func(w *lookout) bool { return w.joined[flicker.welcome.User] > 0 })
	shaky := servertest.NewProxy(t, server.Addr)
	restless := newRecorder(t, shaky.WS(), "restless", []string{"x"})
	leaveToo := restless.start()
	defer leaveToo()
	restless.awaitJoined([]string{"x"})
	restlessID := restless.client.View().Me.User
	watch.await("joining of one whose line is cut", func(w *lookout) bool { return w.joined[restlessID] > 0 })
	session, id := flicker.welcome.Session, flicker.welcome.User
	for range 3 {
		_ = flicker.conn.Close() // without a close frame
		flicker = connect(t, server.Addr, way{room: "x", session: session})
		mustUntil(flicker, shared.Synced)
		lines := shaky.Lines()
		shaky.Cut()
		restless.await("coming back", func() bool { return shaky.Lines() > lines && restless.client.View().Room.Synced })
	}
	last := connect(t, server.Addr, way{room: "x"})
	mustUntil(last, shared.Synced)
	_ = last.conn.Close()
	watch.await("leaving of the last one", func(w *lookout) bool { return !w.left[last.welcome.User].IsZero() })
	for who, id := range map[string]string{"a raw client": id, "a real client": restlessID} {
		if joined, left := watch.of(id); joined != 1 || !left.IsZero() {
			t.Errorf("%s that came back within the grace was told to have joined %d times and left at %v", who, joined, left)
		}
	}

	watch.gone("the killed process", killed.User, alive, 0, dead, grace+aLittle)
	watch.gone("a client whose line was dead", silent.welcome.User, alive, pingAndPong, frozen, pingAndPong+grace+aLittle)
	watch.gone("a real client whose line was dead", userID, alive, pingAndPong, frozen, pingAndPong+grace+aLittle)
	if count := watch.lastCount(); count != 4 {
		t.Errorf("the last presence event counts %d users, want 4: who looks out, who spoke, and the two who flickered", count)
	}

	// It comes back by itself, and has missed nothing.
	line.Cut()
	line.Forward()
	want := idsOf(said)
	user.awaitShown(map[string][]string{"x": want})
	if got := user.shownIn("x"); !slices.Equal(got, want) {
		t.Errorf("the real client was shown another room: %s", difference(got, want))
	}
	watch.await("the return of the real client", func(w *lookout) bool { return w.joined[userID] == 2 })
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
	*raw

	mu     sync.Mutex
	joined map[string]int // times, by user
	left   map[string]time.Time
	count  int
	news   chan struct{} // closed and replaced with each event
}

// lookOut watches until the test ends.
func lookOut(t *testing.T, server *servertest.Process) *lookout {
	w := &lookout{
		raw:    connect(t, server.Addr, way{room: "x"}),
		joined: map[string]int{}, left: map[string]time.Time{}, news: make(chan struct{}),
	}
	mustUntil(w.raw, shared.Synced)
	var running sync.WaitGroup
	running.Go(w.run)
	t.Cleanup(func() {
		_ = w.conn.Close()
		running.Wait()
	})
	return w
}

func (w *lookout) run() {
	for {
		p, err := until(w.raw, shared.Presence)
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
	w.t.Helper()
	deadline := time.After(time.Minute)
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
			w.t.Fatalf("the %s was not told", what)
		}
	}
}

func (w *lookout) of(user string) (joined int, left time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.joined[user], w.left[user]
}

// gone waits until a user is told to have left and checks when that was: at the
// earliest at least after alive, when he was certainly still there, at the latest
// most after dead, when he certainly was not.
func (w *lookout) gone(who, user string, alive time.Time, least time.Duration, dead time.Time, most time.Duration) {
	w.t.Helper()
	w.await("leaving of "+who, func(w *lookout) bool { return !w.left[user].IsZero() })
	_, left := w.of(user)
	w.t.Logf("%s was gone after %v", who, left.Sub(dead).Round(time.Second/100))
	if left.Sub(alive) < least || left.Sub(dead) > most {
		w.t.Errorf("%s was gone %v after the last sign of life and %v after the end, want at least %v and at most %v",
			who, left.Sub(alive), left.Sub(dead), least, most)
	}
}

func (w *lookout) lastCount() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}
