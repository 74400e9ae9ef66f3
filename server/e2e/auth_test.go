package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"websockets/server/servertest"
	"websockets/shared"
)

// TestUsersOfYourOwn: a server with --auth=jwt lets in users with a token only, and
// does not log the token.
func TestUsersOfYourOwn(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat("a secret ", 5)
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := servertest.Start(t, "--auth", "jwt", "--jwt-algorithm", "HS256", "--jwt-key", file, "--jwt-audience", "chat")
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": "ann@example.com", "name": "Ann", "aud": "chat", "exp": time.Now().Add(time.Hour).Unix(),
	}).SignedString([]byte(strings.TrimSpace(secret)))
	if err != nil {
		t.Fatal(err)
	}
	c := servertest.Dial(t, server.WS(), servertest.DialOptions{Room: "x", Session: token})
	if c.Welcome.User != "ann@example.com" || c.Welcome.Name != "Ann" || c.Welcome.Session != "" {
		t.Errorf("welcome: got %+v, want the user and the name of the token and no session", c.Welcome)
	}
	for name, test := range map[string]struct {
		authorization string
		status        int
	}{
		"another token": {"Bearer " + token + "x", http.StatusUnauthorized},
		"another way":   {"Basic " + token, http.StatusSwitchingProtocols}, // of a proxy: the client still has to authenticate
	} {
		header := http.Header{"Authorization": {test.authorization}}
		if got := handshake(t, server.WS(), servertest.DialOptions{Header: header}).StatusCode; got != test.status {
			t.Errorf("%s: got status %d, want %d", name, got, test.status)
		}
	}
	conn, err := servertest.Upgrade(server.WS(), servertest.DialOptions{Query: "token=" + token})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if code := servertest.CloseCode(conn); code != shared.CloseToken { // after 5 s in which nothing came
		t.Errorf("a token in the address: got close code %d, want %d", code, shared.CloseToken)
	}
	response, err := http.Get(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if cookies := response.Cookies(); len(cookies) != 0 {
		t.Errorf("cookies of the page: got %v, want none", cookies)
	}
	last := servertest.DialOptions{Header: http.Header{"Origin": {"https://last.example"}}}
	if got := handshake(t, server.WS(), last).StatusCode; got != http.StatusForbidden {
		t.Errorf("a foreign origin: got status %d, want %d", got, http.StatusForbidden)
	}
	server.AwaitLog(regexp.MustCompile("last.example")) // and so all before it
	if log := server.Log(); strings.Contains(log, token[:30]) || strings.Contains(log, strings.Split(token, ".")[2]) {
		t.Errorf("got the token in the log:\n%s", log)
	}
}

// writeCertificate makes a certificate for this machine, with a number.
func writeCertificate(t *testing.T, cert, key string, number int64) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(number), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOverTLS: the chat works over TLS, with a cookie that is never sent without
// it, and a renewed certificate is used without a restart.
func TestOverTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeCertificate(t, cert, key, 1)
	server := servertest.Start(t, "--tls-cert", cert, "--tls-key", key)
	config := &tls.Config{InsecureSkipVerify: true} // which one it is, is looked at
	serial := func() int64 {
		conn, err := tls.Dial("tcp", server.Addr, config)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if n := serial(); n != 1 {
		t.Errorf("number of the certificate: got %d, want 1", n)
	}
	conn, response, err := servertest.Handshake("wss://"+server.Addr+"/ws", servertest.DialOptions{Dialer: websocket.Dialer{TLSClientConfig: config}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(servertest.Patience))
	if _, frame, err := conn.ReadMessage(); err != nil || !servertest.IsEvent(frame, shared.Welcome.Name()) {
		t.Errorf("the first frame: got %s, %v, want %s", frame, err, shared.Welcome.Name())
	}
	if cookies := response.Cookies(); len(cookies) != 1 || cookies[0].Name != "__Host-websockets_guest" || !cookies[0].Secure {
		t.Errorf("cookies: got %v, want __Host-websockets_guest, Secure", cookies)
	}

	if err := os.WriteFile(cert, []byte("half a certi"), 0o600); err != nil { // being renewed
		t.Fatal(err)
	}
	servertest.Eventually(t, "the log to name a certificate that cannot be used", func() bool {
		serial() // a handshake looks for a new certificate
		return strings.Contains(server.Log(), "certificate reload failed")
	})
	if n := serial(); n != 1 {
		t.Errorf("with a new certificate that cannot be used: got number %d, want 1", n)
	}
	writeCertificate(t, cert, key, 2)
	servertest.Eventually(t, "the new certificate", func() bool { return serial() == 2 })
}

// TestSessionsAreRevokedEverywhere: when a backend revokes a user's sessions at one
// server, the other closes the connection, and both refuse the session.
func TestSessionsAreRevokedEverywhere(t *testing.T) {
	t.Parallel()
	const token = "0123456789abcdef0123456789abcdef"
	file := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(file, []byte("shop "+token+" sessions:delete\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	nats := servertest.StartNATS(t, 1)
	a, b := serveOn(t, nats.URL(), "--api-tokens", file), serveOn(t, nats.URL())
	ann, other := servertest.Dial(t, b.WS(), servertest.DialOptions{Room: "x"}), servertest.Dial(t, b.WS(), servertest.DialOptions{Room: "x"})
	servertest.Await(ann, shared.Synced)

	request, err := http.NewRequest(http.MethodDelete, a.URL()+"api/sessions/"+ann.Welcome.User, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		t.Fatalf("revoking the sessions: got %s, want %d", response.Status, http.StatusNoContent)
	}
	if code := servertest.CloseCode(ann.WS); code != shared.CloseSessionRevoked {
		t.Errorf("close code at the other server: got %d, want %d", code, shared.CloseSessionRevoked)
	}
	for _, server := range []*servertest.Process{a, b} {
		if got := handshake(t, server.WS(), servertest.DialOptions{Session: ann.Welcome.Session}).StatusCode; got != http.StatusUnauthorized {
			t.Errorf("with the old session: got status %d, want %d", got, http.StatusUnauthorized)
		}
	}
	if _, err := servertest.Ask(other, shared.Ping, shared.Empty{}, shared.Pong); err != nil {
		t.Errorf("another user: %v", err)
	}
}
