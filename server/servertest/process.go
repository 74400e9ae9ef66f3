package servertest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var buildDir string // of the binary; empty if none was built

var build = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("WEBSOCKETS_BIN"); path != "" {
		return path, nil
	}
	var err error
	if buildDir, err = os.MkdirTemp("", "websockets-test-"); err != nil {
		return "", err
	}
	path := filepath.Join(buildDir, "websockets")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", path, "websockets/server")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the server: %w\n%s", err, out)
	}
	return path, nil
})

// Binary returns the path of the server's binary: that of the environment's
// WEBSOCKETS_BIN, else one that is built once for this test process. It skips the test
// if go test was given -short, as ./build.sh check does.
func Binary(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("NOT RUN: a server process, because of -short")
	}
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Process is a server that was started, killed and started again on one address
// and one data folder.
type Process struct {
	// Addr is host:port; it stays the same over restarts.
	Addr string
	// Dir is the data folder.
	Dir string

	t      testing.TB
	args   []string
	cmd    *exec.Cmd
	stderr io.Closer // our end of its standard error
	log    *tail
}

// Start runs the server on a free port and a fresh data folder, with further
// flags, and waits until it listens. The test's end kills it. All of a test's
// connections come from one address, so that is not limited unless a flag says so.
func Start(t testing.TB, args ...string) *Process {
	t.Helper()
	return StartOn(t, t.TempDir(), args...)
}

// StartOn is Start on a data folder that may have data already.
func StartOn(t testing.TB, dir string, args ...string) *Process {
	t.Helper()
	const limit = "--max-conns-per-address"
	if !slices.Contains(args, limit) {
		args = append([]string{limit, "0"}, args...)
	}
	p := &Process{Addr: freeAddrs(t, 1)[0], Dir: dir, t: t, args: args}
	t.Cleanup(p.Kill)
	p.Start()
	return p
}

// Launch is Start without waiting until the server listens.
func Launch(t testing.TB, args ...string) *Process {
	t.Helper()
	p := &Process{Addr: freeAddrs(t, 1)[0], Dir: t.TempDir(), t: t, args: args}
	t.Cleanup(p.Kill)
	p.Launch()
	return p
}

var listening = regexp.MustCompile(`msg=listening`)

// Start runs a server that was stopped or killed again, with further flags for this
// time.
func (p *Process) Start(args ...string) {
	p.t.Helper()
	p.Launch(args...)
	p.AwaitListening()
}

// AwaitListening waits until a server that was launched listens.
func (p *Process) AwaitListening() {
	p.t.Helper()
	if !p.log.await(listening) {
		p.Kill()
		p.t.Fatalf("the server did not start:\n%s", p.log)
	}
}

// Launch is Start without waiting until the server listens.
func (p *Process) Launch(args ...string) {
	p.t.Helper()
	args = slices.Concat([]string{"serve", "--listen", p.Addr, "--data", p.Dir}, p.args, args)
	p.cmd = exec.Command(Binary(p.t), args...)
	p.cmd.Env = append(os.Environ(), "GOTRACEBACK=all")
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	children.Store(p.cmd.Process.Pid, p.cmd.Process)
	p.stderr, p.log = stderr, newTail(stderr)
}

// Kill ends the server as a power cut would: SIGKILL. A server that is not
// running stays so.
func (p *Process) Kill() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	p.cmd = nil
}

// Signal sends the running server a signal.
func (p *Process) Signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// CloseLog closes our end of the running server's standard error: nobody reads its log
// any more.
func (p *Process) CloseLog() {
	p.t.Helper()
	if err := p.stderr.Close(); err != nil {
		p.t.Fatal(err)
	}
}

// Stop asks the server to end, as Ctrl-C does. It fails the test if the server does
// not end by itself and with exit code 0.
func (p *Process) Stop() {
	p.t.Helper()
	p.Signal(syscall.SIGINT)
	ended := make(chan error, 1)
	go func() { ended <- p.cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			p.t.Errorf("the server's end: got %v, want exit code 0:\n%s", err, p.log)
		}
	case <-time.After(Patience):
		_ = p.cmd.Process.Signal(syscall.SIGQUIT) // its goroutines
		<-ended
		p.t.Errorf("the server did not end within %v:\n%s", Patience, p.log)
	}
	p.cmd = nil
}

// AwaitEnd waits until the server has ended by itself and returns its exit code. It
// can be started again; Log has what it said.
func (p *Process) AwaitEnd() (code int) {
	p.t.Helper()
	if err := TryEventually(p.t.Context(), "the server's end", p.log.done); err != nil {
		p.Kill()
		p.t.Fatalf("%v:\n%s", err, p.log)
	}
	_ = p.cmd.Wait() // after the log is read: Wait closes it
	code = p.cmd.ProcessState.ExitCode()
	p.cmd = nil
	return code
}

// AwaitLog waits until the running server logs a line that matches.
func (p *Process) AwaitLog(pattern *regexp.Regexp) {
	p.t.Helper()
	if !p.log.await(pattern) {
		p.t.Fatalf("the server did not log %v:\n%s", pattern, p.log)
	}
}

// URL is the page's address, WS the WebSocket's.
func (p *Process) URL() string { return "http://" + p.Addr + "/" }
func (p *Process) WS() string  { return "ws://" + p.Addr + "/ws" }

// Log returns the last lines that the running server has logged.
func (p *Process) Log() string { return p.log.String() }

// PID is the running server's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// tail keeps the last lines of a log and lets one wait for a line.
type tail struct {
	mu    sync.Mutex
	lines []string
	grown chan struct{} // closed and replaced with each line
	ended bool
}

func newTail(r io.Reader) *tail {
	l := &tail{grown: make(chan struct{})}
	go func() {
		scanner := bufio.NewScanner(r)
		scanner.Buffer(nil, 1<<20)
		for scanner.Scan() {
			l.add(scanner.Text(), false)
		}
		l.add("", true)
	}()
	return l
}

func (l *tail) add(line string, ended bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended = ended; !ended {
		l.lines = append(l.lines[max(0, len(l.lines)-500):], line)
	}
	close(l.grown)
	l.grown = make(chan struct{})
}

// await waits until a line matches. It reports false when the log has ended without
// one, or Patience is over.
func (l *tail) await(pattern *regexp.Regexp) bool {
	deadline := time.After(Patience)
	for {
		l.mu.Lock()
		found := pattern.MatchString(strings.Join(l.lines, "\n"))
		grown, ended := l.grown, l.ended
		l.mu.Unlock()
		if found || ended {
			return found
		}
		select {
		case <-grown:
		case <-deadline:
			return false
		}
	}
}

func (l *tail) done() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

// Run runs the server with these arguments until it ends by itself and returns
// its exit code and what it printed: for wrong flags and the like.
func Run(t testing.TB, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	cmd := exec.Command(Binary(t), args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.WaitDelay = Patience
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}
