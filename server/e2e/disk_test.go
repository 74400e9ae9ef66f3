//go:build linux

package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"websockets/server/servertest"
	"websockets/shared"
)

// mountSmall puts a file system of a few megabytes under a stopped server's data
// folder, or says why the test is not run.
func mountSmall(t *testing.T, server *servertest.Process, megabytes int) {
	t.Helper()
	if err := syscall.Mount("tmpfs", server.Dir, "tmpfs", 0, fmt.Sprintf("size=%dm", megabytes)); err != nil {
		t.Skipf("NOT RUN: a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		server.Kill()
		if err := syscall.Unmount(server.Dir, 0); err != nil {
			t.Errorf("unmounting %s: %v", server.Dir, err)
		}
	})
}

// fill writes a file until the disk is full.
func fill(t *testing.T, dir string) (path string) {
	t.Helper()
	path = filepath.Join(dir, "fill")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	return path
}

// TestDiskFull fills the disk under a server that is written to. Sends are refused
// with something to try again after, readiness turns red, what is there can be
// read. When there is space again the server ends with one line that says why, and
// the next one has every acked message once, and those that the client kept.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, "--rate", "0")
	server.Kill()
	mountSmall(t, server, 16)
	server.Start()
	if status, body := get(t, server.URL()+"readyz"); status != http.StatusOK {
		t.Errorf("readyz before: got %d %q, want %d", status, body, http.StatusOK)
	}

	keeper := newRecorder(t, server.WS(), "keeper", []string{"x"})
	stop := keeper.start()
	defer stop()
	keeper.awaitJoined([]string{"x"})
	write := func(n int) {
		t.Helper()
		text := fmt.Sprintf("%d %s", n, strings.Repeat("x", 4000))
		keeper.mu.Lock()
		defer keeper.mu.Unlock()
		id, err := keeper.client.Send("x", text)
		if err != nil {
			t.Fatal(err)
		}
		keeper.texts[id] = text
	}
	for n := range 50 {
		write(n)
	}
	keeper.awaitSettled()

	filler := fill(t, server.Dir)
	for n := range 10 {
		write(50 + n)
	}
	server.AwaitLog(regexp.MustCompile(`level=ERROR msg="the message log cannot be written`))
	acked := keeper.ackedCount()

	status, body := get(t, server.URL()+"readyz")
	if status != http.StatusServiceUnavailable || !strings.Contains(body, "no space left on device") || strings.Contains(body, "/") {
		t.Errorf("readyz with a full disk: got %d %q, want 503, why, and no path", status, body)
	}
	if status, body := get(t, server.URL()+"healthz"); status != http.StatusOK {
		t.Errorf("healthz with a full disk: got %d %q, want %d", status, body, http.StatusOK)
	}
	reader := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "x"})
	servertest.Await(reader, shared.Synced)
	page, err := servertest.Ask(reader, shared.LoadHistory, shared.LoadHistoryPayload{Room: "x", Before: 40, Limit: 10}, shared.History)
	if err != nil || len(page.Messages) != 10 {
		t.Errorf("a page of history with a full disk: got %d messages, %v, want 10", len(page.Messages), err)
	}
	refused, err := servertest.Ask(reader, shared.SendMessage, shared.SendMessagePayload{Message: "hello"}, shared.Failed)
	if err != nil || refused.Code != shared.CodeUnavailable || refused.RetryAfter <= 0 {
		t.Errorf("a send to a full disk: got %+v, %v, want %s and when to try again", refused, err, shared.CodeUnavailable)
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if code := server.AwaitEnd(); code == 0 {
		t.Error("exit code: got 0, want another")
	}
	lines := strings.Split(strings.TrimSpace(server.Log()), "\n")
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, "websockets: the message log could not be written") {
		t.Errorf("its last line: got %q, want that the log could not be written", last)
	}
	t.Logf("%d of 60 were acked before the disk had space again", acked)

	server.Start() // as its supervisor does
	if strings.Contains(server.Log(), "ERROR") {
		t.Errorf("the log of the next start: got\n%s\nwant no error", server.Log())
	}
	keeper.awaitSettled()
	times := map[string]int{}
	for _, text := range readAll(t, server.WS(), "x") {
		times[text]++
	}
	for _, text := range keeper.ackedTexts() {
		if times[text] != 1 {
			t.Errorf("%.10q was acked: got it %d times, want once", text, times[text])
		}
	}
	if len(times) != 60 {
		t.Errorf("messages: got %d, want 60", len(times))
	}
}

// TestStartOnAFullDisk: a server that is started while the disk is full can be
// read, says that it takes nothing, and ends when there is space.
func TestStartOnAFullDisk(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t)
	server.Kill()
	mountSmall(t, server, 16)
	server.Start()
	writer := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "x"})
	if _, err := servertest.Ask(writer, shared.SendMessage, shared.SendMessagePayload{Message: "hello"}, shared.Ack); err != nil {
		t.Fatal(err)
	}
	server.Stop()
	filler := fill(t, server.Dir)
	server.Start()
	if status, body := get(t, server.URL()+"readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("readyz: got %d %q, want %d and why", status, body, http.StatusServiceUnavailable)
	}
	reader := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "x"})
	if got := servertest.ReadUpTo(reader, shared.Synced); len(got) != 1 {
		t.Errorf("messages: got %d, want 1", len(got))
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if code := server.AwaitEnd(); code == 0 {
		t.Error("exit code: got 0, want another")
	}
}

// TestStoreThatBecomesReadOnly takes away the right to write to the folder of the
// store while the server runs.
func TestStoreThatBecomesReadOnly(t *testing.T) {
	t.Parallel()
	// A small log has small blocks, so that a new file is needed soon.
	server := servertest.Start(t, "--rate", "0", "--max-bytes", "64MB")
	var stuck []string // folders
	protect := func(on bool) error {
		for _, folder := range stuck {
			var err error
			if os.Getuid() != 0 {
				mode := os.FileMode(0o700)
				if on {
					mode = 0o500
				}
				err = os.Chmod(folder, mode)
			} else { // nothing but this keeps root from writing
				flag := "-i"
				if on {
					flag = "+i"
				}
				var said []byte
				if said, err = exec.Command("chattr", flag, folder).CombinedOutput(); err != nil {
					err = fmt.Errorf("%w: %s", err, said)
				}
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	folders, err := filepath.Glob(filepath.Join(server.Dir, "jetstream", "*", "streams", "*ROOMS_*", "msgs"))
	if err != nil || len(folders) == 0 {
		t.Fatalf("the store has the folders %q, %v", folders, err)
	}
	stuck = append(folders, server.Dir)
	t.Cleanup(func() { _ = protect(false) })
	if err := protect(true); err != nil {
		t.Skipf("NOT RUN: a folder cannot be protected here: %v", err)
	}

	writer := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "x"})
	servertest.Await(writer, shared.Synced)
	refused := shared.Error{}
	for n := 0; refused.Code == ""; n++ { // 16 KB each; a block is a few MB
		if n > 2000 {
			t.Fatal("32 MB went into a folder that cannot be written")
		}
		id := servertest.Send(writer, shared.SendMessage, shared.SendMessagePayload{Message: strings.Repeat("🙂", 4096)})
		answer := writer.Take("the answer to "+id, func(e shared.Event) bool { return e.ID == id })
		writer.Forget()
		if answer.Type != shared.Ack.Name() {
			refused = servertest.Payload(writer, shared.Failed, answer)
		}
	}
	if refused.Code != shared.CodeUnavailable || refused.RetryAfter <= 0 {
		t.Errorf("a send to a read-only store: got %+v, want %s and when to try again", refused, shared.CodeUnavailable)
	}
	if status, body := get(t, server.URL()+"readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "not permitted") && !strings.Contains(body, "denied") {
		t.Errorf("readyz: got %d %q, want %d and why", status, body, http.StatusServiceUnavailable)
	}
	if err := protect(false); err != nil {
		t.Fatal(err)
	}
	if code := server.AwaitEnd(); code == 0 {
		t.Error("exit code: got 0, want another")
	}
	server.Start()
	if status, body := get(t, server.URL()+"readyz"); status != http.StatusOK {
		t.Errorf("readyz after the restart: got %d %q, want %d", status, body, http.StatusOK)
	}
}

// TestStartOnAReadOnlyDisk: the server ends with one line that says why.
func TestStartOnAReadOnlyDisk(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t)
	server.Kill()
	mountSmall(t, server, 16)
	server.Start()
	server.Stop()
	if err := syscall.Mount("", server.Dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Skipf("NOT RUN: a file system cannot be made read-only here: %v", err)
	}
	code, _, stderr := servertest.Run(t, "--listen", "127.0.0.1:0", "--data", server.Dir)
	if code == 0 || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "read-only file system") {
		t.Errorf("got exit code %d and %q, want another code than 0 and one line about a read-only file system", code, stderr)
	}
}

// TestAcksMeanDisk watches what the processes ask of the kernel, since an option
// is only an option: before an ack leaves, the message was written to a block of
// the store and that file was synced. With --fsync=interval the same look must find
// acks that were not.
func TestAcksMeanDisk(t *testing.T) {
	t.Parallel()
	const n = 30
	for name, test := range map[string]struct {
		flags  []string
		synced bool
	}{
		"always":   {nil, true},
		"interval": {[]string{"--fsync=interval"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			server := servertest.Start(t, append(test.flags, "--rate", "0")...)
			copies := copiesBeforeAcks(t, server, n, server.PID())
			if len(copies) != n {
				t.Fatalf("acks that were seen: got %d, want %d", len(copies), n)
			}
			if synced := slices.Min(copies) >= 1; synced != test.synced {
				t.Errorf("in how many files each message was synced when its ack left: got %d, want each in one: %v", copies, test.synced)
			}
		})
	}
}

// TestAcksMeanDiskOnACluster: of three replicas two have it on disk.
func TestAcksMeanDiskOnACluster(t *testing.T) {
	t.Parallel()
	const n = 30
	nats := servertest.StartNATS(t, 3)
	server := serveOn(t, nats.URL(), "--replicas", "3", "--rate", "0")
	pids := []int{server.PID()}
	for _, node := range nats.Nodes {
		pids = append(pids, node.PID())
	}
	copies := copiesBeforeAcks(t, server, n, pids...)
	if len(copies) != n || slices.Min(copies) < 2 {
		t.Errorf("on how many nodes each message was synced when its ack left: got %d, want %d times at least 2", copies, n)
	}
}

// copiesBeforeAcks sends n messages and returns for each in how many stores it had
// been written and synced when its ack left. It watches the processes with these
// ids.
func copiesBeforeAcks(t *testing.T, server *servertest.Process, n int, pids ...int) (copies []int) {
	t.Helper()
	c := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "x"})
	servertest.Await(c, shared.Synced)
	trace := filepath.Join(t.TempDir(), "trace")
	args := []string{"-f", "-y", "-s", "2000", "-e", "trace=pwrite64,fsync,fdatasync,write,writev,sendto", "-o", trace}
	for _, pid := range pids {
		args = append(args, "-p", strconv.Itoa(pid))
	}
	strace := exec.Command("strace", args...)
	stderr, err := strace.StderrPipe()
	if err == nil {
		err = strace.Start()
	}
	if err != nil {
		t.Skipf("NOT RUN: system calls cannot be watched here: %v", err)
	}
	lines := bufio.NewScanner(stderr)
	for attached := 0; attached < len(pids); { // each once, with all its threads
		if !lines.Scan() {
			t.Skipf("NOT RUN: system calls cannot be watched here: strace says %q, %v", lines.Text(), strace.Wait())
		}
		for _, pid := range pids {
			if strings.Contains(lines.Text(), fmt.Sprintf("Process %d attached", pid)) {
				attached++
			}
		}
	}
	go func() { _, _ = io.Copy(io.Discard, stderr) }()
	if _, err := c.Flood("x", "disk", n, 5, func(id string) string { return "<" + id + ">" }); err != nil {
		t.Error(err)
	}
	_ = strace.Process.Signal(os.Interrupt) // it lets go of them and ends
	_ = strace.Wait()
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	return readTrace(string(text))
}

var (
	traced   = regexp.MustCompile(`^(\d+) +(?:<\.\.\. )?(\w+)`)
	onFile   = regexp.MustCompile(`\(\d+<(.*?\.blk)>`)
	marked   = regexp.MustCompile(`<(disk-\d+)>`)
	ackTrace = regexp.MustCompile(`\\"type\\":\\"ack\\".*?\\"id\\":\\"(disk-\d+)\\"`)
)

// readTrace goes through system calls in their order. A call that takes a while is
// two lines, its beginning and its end.
func readTrace(text string) (copies []int) {
	type call struct {
		file     string
		messages []string
		sync     map[string]bool // what was written when the sync began
	}
	under := map[string]call{}              // by thread
	written := map[string]map[string]bool{} // messages by file, not synced
	synced := map[string]map[string]bool{}  // stores by message
	for line := range strings.Lines(text) {
		m := traced.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		thread, name := m[1], m[2]
		resumed := strings.Contains(line, "resumed>")
		if !resumed {
			c := call{}
			if f := onFile.FindStringSubmatch(line); f != nil {
				c.file = f[1]
			}
			switch name {
			case "pwrite64":
				for _, m := range marked.FindAllStringSubmatch(line, -1) {
					c.messages = append(c.messages, m[1])
				}
			case "fsync", "fdatasync":
				c.sync = map[string]bool{}
				for message := range written[c.file] {
					c.sync[message] = true
				}
			default:
				for _, m := range ackTrace.FindAllStringSubmatch(line, -1) {
					copies = append(copies, len(synced[m[1]]))
				}
			}
			under[thread] = c
		}
		if strings.Contains(line, "unfinished ...>") {
			continue
		}
		c := under[thread]
		delete(under, thread)
		if c.file == "" || strings.Contains(line, ") = -1") {
			continue
		}
		for _, message := range c.messages {
			if written[c.file] == nil {
				written[c.file] = map[string]bool{}
			}
			written[c.file][message] = true
		}
		for message := range c.sync {
			if synced[message] == nil {
				synced[message] = map[string]bool{}
			}
			synced[message][storeOf(c.file)] = true
		}
	}
	return copies
}

// storeOf returns the folder of the store that a block belongs to: on a cluster
// each node has its own.
func storeOf(block string) string {
	store, _, _ := strings.Cut(block, "/jetstream/")
	return store
}
