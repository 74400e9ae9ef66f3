package servertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// NATS is an external NATS server, or a cluster of them, with JetStream on
// folders of the test that are synced to disk at every write. Its nodes are real
// processes that can be killed and frozen one by one.
type NATS struct {
	Nodes []*Node

	t testing.TB
}

// Node is one process of a NATS. It keeps its addresses and its store when it is
// killed and started again.
type Node struct {
	// Name is what the cluster calls it.
	Name string
	// Addr is host:port for clients.
	Addr string

	t       testing.TB
	config  string // the path of its configuration
	monitor string // host:port of its HTTP monitoring
	cmd     *exec.Cmd
	log     *tail
}

// natsServer is the path of the NATS server's binary in Go's build cache, where it
// is linked once for all runs. A run that has to link it prints where it was for
// the moment; the next one where it stays.
var natsServer = sync.OnceValues(func() (path string, err error) {
	for range 2 {
		var stderr strings.Builder
		cmd := exec.Command("go", "run", "-exec", "echo", "github.com/nats-io/nats-server/v2")
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("building the NATS server: %w\n%s", err, &stderr)
		}
		path = strings.TrimSpace(string(out))
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("the go command does not keep %s", path)
})

// StartNATS runs a server on its own, or a cluster of several, and waits until
// JetStream can be used. The test's end kills it. Each node's configuration ends with
// config.
func StartNATS(t testing.TB, nodes int, config ...string) *NATS {
	t.Helper()
	n := &NATS{t: t}
	addrs := freeAddrs(t, 3*nodes) // of each: for clients, for the others, for monitoring
	var routes []string
	for i := range nodes {
		routes = append(routes, "nats://"+addrs[3*i+1])
	}
	for i := range nodes {
		node := &Node{Name: fmt.Sprintf("n%d", i+1), Addr: addrs[3*i], monitor: addrs[3*i+2], t: t}
		text := fmt.Sprintf("server_name: %s\nlisten: %q\nhttp: %q\njetstream { store_dir: %q, sync_interval: always }\n",
			node.Name, node.Addr, node.monitor, t.TempDir())
		if nodes > 1 {
			text += fmt.Sprintf("cluster { name: test, listen: %q, routes: [%s] }\n", addrs[3*i+1], strings.Join(routes, ", "))
		}
		text += strings.Join(config, "\n")
		node.config = filepath.Join(t.TempDir(), "nats.conf")
		if err := os.WriteFile(node.config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		n.Nodes = append(n.Nodes, node)
	}
	for _, node := range n.Nodes {
		t.Cleanup(node.Kill)
		node.Start()
	}
	n.AwaitHealthy()
	Eventually(t, "the leader of NATS to know all nodes", func() bool {
		return slices.ContainsFunc(n.Nodes, func(node *Node) bool { return node.peers() == nodes-1 })
	})
	return n
}

// peers is how many other nodes this one has in sight if it leads the cluster, 0 if
// it does not.
func (n *Node) peers() (inSight int) {
	var answer struct {
		Meta struct {
			Replicas []struct {
				Current bool `json:"current"`
				Offline bool `json:"offline"`
			} `json:"replicas"`
		} `json:"meta_cluster"`
	}
	if n.get("/jsz", &answer) != nil {
		return 0
	}
	for _, r := range answer.Meta.Replicas {
		if r.Current && !r.Offline {
			inSight++
		}
	}
	return inSight
}

// URL is what --nats takes: the nodes, separated by commas.
func (n *NATS) URL() string {
	var urls []string
	for _, node := range n.Nodes {
		urls = append(urls, "nats://"+node.Addr)
	}
	return strings.Join(urls, ",")
}

// AwaitHealthy waits until every node says that it has all that it should have.
func (n *NATS) AwaitHealthy() {
	n.t.Helper()
	for _, node := range n.Nodes {
		node.await("healthy", func() bool { return node.get("/healthz", nil) == nil })
	}
}

// AwaitLeader waits until a node that answers leads the stream and returns it,
// unless it is the one to leave out.
func (n *NATS) AwaitLeader(stream string, but *Node) (leader *Node) {
	n.t.Helper()
	Eventually(n.t, "a leader of "+stream, func() bool {
		for _, node := range n.Nodes {
			if node != but && node.streams()[stream].leader == node.Name {
				leader = node
			}
		}
		return leader != nil
	})
	return leader
}

// AwaitInSync waits until every node has the same of every stream: one that says
// that it is healthy may not have heard of what it lacks.
func (n *NATS) AwaitInSync() {
	n.t.Helper()
	n.AwaitHealthy()
	Eventually(n.t, "the nodes to have the same", func() bool {
		first := n.Nodes[0].streams()
		for _, node := range n.Nodes[1:] {
			if !maps.Equal(node.streams(), first) {
				return false
			}
		}
		return len(first) > 0
	})
}

// Fullest returns the stream with the most messages among those whose name begins
// with prefix.
func (n *NATS) Fullest(prefix string) (name string) {
	most := uint64(0)
	for _, node := range n.Nodes {
		for stream, s := range node.streams() {
			if strings.HasPrefix(stream, prefix) && s.messages > most {
				name, most = stream, s.messages
			}
		}
	}
	return name
}

// stream is what a node says of one.
type stream struct {
	leader   string
	messages uint64
	last     uint64 // its last sequence
}

// streams asks the node what it knows; nothing if it does not answer.
func (n *Node) streams() map[string]stream {
	var answer struct {
		Accounts []struct {
			Streams []struct {
				Name    string `json:"name"`
				Cluster struct {
					Leader string `json:"leader"`
				} `json:"cluster"`
				State struct {
					Messages uint64 `json:"messages"`
					Last     uint64 `json:"last_seq"`
				} `json:"state"`
			} `json:"stream_detail"`
		} `json:"account_details"`
	}
	if n.get("/jsz?streams=true", &answer) != nil {
		return nil
	}
	known := map[string]stream{}
	for _, account := range answer.Accounts {
		for _, s := range account.Streams {
			known[s.Name] = stream{s.Cluster.Leader, s.State.Messages, s.State.Last}
		}
	}
	return known
}

// Start runs a node that was killed again and waits until it answers; a node of a
// cluster may have nothing to do with the others yet.
func (n *Node) Start() {
	n.t.Helper()
	path, err := natsServer()
	if err != nil {
		n.t.Fatal(err)
	}
	n.cmd = exec.Command(path, "-c", n.config)
	stderr, err := n.cmd.StderrPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	children.Store(n.cmd.Process.Pid, n.cmd.Process)
	n.log = newTail(stderr)
	n.await("answering", func() bool { return n.get("/varz", nil) == nil })
}

// Kill ends the node as a power cut would. One that does not run stays so.
func (n *Node) Kill() {
	if n.cmd == nil {
		return
	}
	_ = n.cmd.Process.Kill()
	_ = n.cmd.Wait()
	n.cmd = nil
}

// PID is the running node's process id.
func (n *Node) PID() int { return n.cmd.Process.Pid }

// Freeze stops the node where it is, with its connections open, until Thaw. On
// Linux nothing of it runs any more when this returns; without /proc a busy machine
// may let it go on for a moment.
func (n *Node) Freeze() {
	n.t.Helper()
	n.signal(syscall.SIGSTOP)
	n.await("standing still", func() bool {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", n.PID()))
		for _, thread := range threads {
			stat, err := os.ReadFile(thread)
			if _, state, _ := strings.Cut(string(stat), ") "); err == nil && !strings.HasPrefix(state, "T") {
				return false
			}
		}
		return true
	})
}

// Thaw lets a frozen node go on.
func (n *Node) Thaw() { n.signal(syscall.SIGCONT) }

func (n *Node) signal(s os.Signal) {
	n.t.Helper()
	if err := n.cmd.Process.Signal(s); err != nil {
		n.t.Fatal(err)
	}
}

// get asks the node's monitoring; answer may be nil.
func (n *Node) get(path string, answer any) error {
	// A connection for each question: none is left over for a process that is killed.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	response, err := client.Get("http://" + n.monitor + path)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode != http.StatusOK:
		return errors.New(response.Status)
	case answer == nil:
		return nil
	}
	return json.NewDecoder(response.Body).Decode(answer)
}

func (n *Node) await(what string, done func() bool) {
	n.t.Helper()
	if err := TryEventually(n.t.Context(), n.Name+" "+what, done); err != nil {
		n.t.Fatalf("%v\n%s", err, n.log)
	}
}
