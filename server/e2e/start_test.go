package e2e

import (
	"net"
	"net/http"
	"regexp"
	"syscall"
	"testing"

	"websockets/server/servertest"
)

// waitsFor matches the line of a server that waits.
func waitsFor(what string) *regexp.Regexp {
	return regexp.MustCompile(`msg="waiting for what the server needs to start" for="?` + what + `"? since=\d+s at_most=1m0s err=`)
}

// TestStartBeforeNATS: a server that is started while NATS is down, or has no quorum, waits
// for it and says so. So does one that is started during an election.
func TestStartBeforeNATS(t *testing.T) {
	t.Parallel()
	nats := servertest.StartNATS(t, 3)
	server := serveOn(t, nats.URL(), "--replicas", "3")
	restart := func(prepare func()) {
		t.Helper()
		server.Kill()
		prepare()
		server.Launch()
	}
	restart(func() {
		for _, node := range nats.Nodes {
			node.Kill()
		}
	})
	server.AwaitLog(waitsFor("NATS"))
	nats.Nodes[0].Start() // which is no quorum
	nats.Nodes[1].Start()
	server.AwaitListening()
	nats.Nodes[2].Start()
	nats.AwaitHealthy()

	leader := nats.AwaitLeader("KV_websockets_server", nil)
	restart(leader.Kill)
	server.AwaitListening()
	chats(t, servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "x"}), "hello")
}

// TestStopWhileWaiting: a server that waits can be stopped.
func TestStopWhileWaiting(t *testing.T) {
	t.Parallel()
	server := servertest.Launch(t, "--nats", "nats://127.0.0.1:1")
	server.AwaitLog(waitsFor("NATS"))
	server.Signal(syscall.SIGINT)
	if code := server.AwaitEnd(); code == 0 {
		t.Error("exit code: got 0, want another")
	}
}

// TestStartBeforeTheIdentityProvider: the keys of tokens are waited for.
func TestStartBeforeTheIdentityProvider(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	away := http.NewServeMux() // 404 for everything
	provider := &http.Server{Handler: away}
	go func() { _ = provider.Serve(l) }()
	t.Cleanup(func() { _ = provider.Close() })
	server := servertest.Launch(t, "--data", "none", "--auth", "jwt", "--jwt-algorithm", "RS256", "--jwt-jwks", "http://"+l.Addr().String()+"/keys")
	server.AwaitLog(waitsFor("the identity provider"))
	away.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys":[]}`)) })
	server.AwaitListening()
}
