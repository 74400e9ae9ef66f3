//go:build unix

package e2e

import (
	"bytes"
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

// TestUsersOfYourOwn: a server that was started for them takes a token and nobody
// else, and the token is nowhere in its log.
func TestUsersOfYourOwn(t *testing.T) {
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
	c := connect(t, server.Addr, way{room: "x", session: token})
	if c.welcome.User != "ann@example.com" || c.welcome.Name != "Ann" || c.welcome.Session != "" {
		t.Errorf("welcome: %+v", c.welcome)
	}
	for name, header := range map[string]http.Header{
		"another token": {"Authorization": {"Bearer " + token + "x"}},
		"another way":   {"Authorization": {"Basic " + token}},
	} {
		if _, response, err := websocket.DefaultDialer.Dial(server.WS(), header); err == nil || response.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %v", name, response)
		}
	}
	conn, _, err := websocket.DefaultDialer.Dial(server.WS()+"?token="+token, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if code := closeCode(conn); code != shared.CloseToken { // after 5 s in which nothing came
		t.Errorf("a token in the address: closed with %d", code)
	}
	response, err := http.Get(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if len(response.Cookies()) != 0 {
		t.Errorf("the page sets %v", response.Cookies())
	}
	if conn, _, err := websocket.DefaultDialer.Dial(server.WS(), http.Header{"Origin": {"https://last.example"}}); err == nil {
		_ = conn.Close()
		t.Error("a foreign origin was let in")
	}
	server.AwaitLog(regexp.MustCompile("last.example")) // and so all before it
	if log := server.Log(); strings.Contains(log, token[:30]) || strings.Contains(log, strings.Split(token, ".")[2]) {
		t.Errorf("the log has the token:\n%s", log)
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

// TestOverTLS: the page and the chat come over TLS, with the cookie that never goes
// without, and a certificate that was renewed is used without a restart.
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
		t.Errorf("the certificate is number %d", n)
	}
	conn, response, err := (&websocket.Dialer{TLSClientConfig: config}).Dial("wss://"+server.Addr+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, frame, err := conn.ReadMessage(); err != nil || !bytes.Contains(frame, []byte(`"welcome"`)) {
		t.Errorf("%s, %v", frame, err)
	}
	if cookies := response.Cookies(); len(cookies) != 1 || cookies[0].Name != "__Host-session" || !cookies[0].Secure {
		t.Errorf("cookies %v", cookies)
	}

	if err := os.WriteFile(cert, []byte("half a certi"), 0o600); err != nil { // being renewed
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); !strings.Contains(server.Log(), "the new certificate cannot be used"); {
		if serial() != 1 || time.Now().After(deadline) {
			t.Fatalf("a certificate that cannot be used: number %d, log\n%s", serial(), server.Log())
		}
	}
	writeCertificate(t, cert, key, 2)
	for deadline := time.Now().Add(patience); serial() != 2; {
		if time.Now().After(deadline) {
			t.Fatal("the new certificate is not used")
		}
	}
}

// TestSentAwayEverywhere: whom a backend sends away at one server is gone from the
// other, and comes back to neither.
func TestSentAwayEverywhere(t *testing.T) {
	t.Parallel()
	const token = "0123456789abcdef0123456789abcdef"
	file := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(file, []byte("shop "+token+" sessions:delete\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	nats := servertest.StartNATS(t, 1)
	a, b := serveOn(t, nats.URL(), "--api-tokens", file), serveOn(t, nats.URL())
	ann, other := connect(t, b.Addr, way{room: "x"}), connect(t, b.Addr, way{room: "x"})
	mustUntil(ann, shared.Synced)

	request, err := http.NewRequest(http.MethodDelete, a.URL()+"api/sessions/"+ann.welcome.User, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	begin := time.Now()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		t.Fatalf("answered with %s", response.Status)
	}
	code, took := closeCode(ann.conn), time.Since(begin)
	t.Logf("gone from the other server after %v", took)
	if code != shared.CloseSentAway || took > 10*time.Second {
		t.Errorf("closed with %d after %v", code, took)
	}
	for _, server := range []*servertest.Process{a, b} {
		header := http.Header{"Authorization": {"Bearer " + ann.welcome.Session}}
		if _, response, err := websocket.DefaultDialer.Dial(server.WS(), header); err == nil || response.StatusCode != http.StatusUnauthorized {
			t.Errorf("with the old session: %v", response)
		}
	}
	if err := other.send(shared.Ping.Frame("p", shared.Empty{})); err != nil {
		t.Fatal(err)
	}
	mustUntil(other, shared.Pong)
}
