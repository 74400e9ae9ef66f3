package jetstream_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"websockets/server/eventlog/jetstream"
)

// natsOf listens as a NATS server of a version, without JetStream.
func natsOf(t *testing.T, version string) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serveNATS(conn, version)
		}
	}()
	return "nats://" + l.Addr().String()
}

func serveNATS(conn net.Conn, version string) {
	defer conn.Close()
	fmt.Fprintf(conn, "INFO {\"server_id\":\"x\",\"version\":%q,\"headers\":true,\"max_payload\":1048576}\r\n", version)
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		if lines.Text() == "PING" {
			fmt.Fprint(conn, "PONG\r\n")
		}
	}
}

func TestOldNATSIsRefused(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"2.10.29", "2.9.0", "1.4.1"} {
		l, err := tryOpen(t, "", func(o *jetstream.Options) { o.Servers = natsOf(t, version) })
		if err == nil {
			l.Close()
			t.Errorf("NATS %s: got a log, want an error", version)
			continue
		}
		if errors.Is(err, jetstream.ErrUnavailable) || !strings.Contains(err.Error(), "NATS "+version+" is too old: use 2.11 or newer") {
			t.Errorf("NATS %s: got %v, want that it is too old, for good", version, err)
		}
	}
}

// TestNATSThatMayComeIsUnavailable: the caller may try again when nobody listens.
func TestNATSThatMayComeIsUnavailable(t *testing.T) {
	t.Parallel()
	l, err := tryOpen(t, "", func(o *jetstream.Options) { o.Servers = "nats://127.0.0.1:1" })
	if err == nil {
		l.Close()
		t.Fatal("got a log, want an error")
	}
	if !errors.Is(err, jetstream.ErrUnavailable) || !strings.Contains(err.Error(), "cannot reach NATS") {
		t.Errorf("got %v, want ErrUnavailable, and that NATS cannot be reached", err)
	}
}

func TestAddressesHaveNoSecrets(t *testing.T) {
	for servers, want := range map[string]string{
		"nats://127.0.0.1:4222":                          "nats://127.0.0.1:4222",
		"nats://ann:s3cret@nats.example:4222":            "nats://nats.example:4222",
		"tls://s3cret@nats.example":                      "tls://nats.example",
		"nats://ann:s3cr%2Fet@a:1, nats://b:2":           "nats://a:1,nats://b:2",
		"nats://a:1, ,":                                  "nats://a:1",
		"ann:s3cret@a:1,b:2":                             "nats://a:1,nats://b:2",
		"nats://ann:s3cret@[2001:db8::1]:4222/?s3cret=1": "nats://[2001:db8::1]:4222",
	} {
		if got, err := jetstream.Addresses(servers); err != nil || got != want {
			t.Errorf("Addresses(%q): got %q, %v, want %q", servers, got, err, want)
		}
	}
	for _, servers := range []string{
		"nats://", "nats://ann:s3cret wrong@a:1", "nats://ann:s3cret/@a:1", "nats://ann:s3cret%@a:1", "nats://ann:s3cret,x@a:1",
		"nats://ann:12/s3cret@a:1", "nats://ann:12?s3cret@a:1", "nats://ann:12#s3cret@a:1",
	} {
		if got, err := jetstream.Addresses(servers); err == nil || strings.Contains(err.Error(), "s3cret") || got != "" {
			t.Errorf("Addresses(%q): got %q, %v, want an error without the password", servers, got, err)
		}
	}
}
