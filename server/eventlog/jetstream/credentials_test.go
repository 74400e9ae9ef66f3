package jetstream

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"websockets/server/servertest"
)

// secret is in every password and token of these tests.
const secret = "s3cret"

// mustStart fails unless the program starts with these flags, and its log has no secret.
func mustStart(t *testing.T, address string, flags ...string) {
	t.Helper()
	server := servertest.Start(t, append(flags, "--nats", address)...)
	server.Stop()
	if log := server.Log(); strings.Contains(log, secret) {
		t.Errorf("log with %q: got a secret in it:\n%s", flags, log)
	}
}

// mustFail fails unless the program ends with one line that has want and no secret.
func mustFail(t *testing.T, what, want, address string, flags ...string) {
	t.Helper()
	code, _, stderr := servertest.Run(t, append(flags, "--listen", "127.0.0.1:0", "--nats", address)...)
	if code != 1 || !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 1 {
		t.Errorf("%s: got exit code %d and %q, want 1 and one line with %q", what, code, stderr, want)
	}
	if strings.Contains(stderr, secret) {
		t.Errorf("%s: got %q, want no secret in it", what, stderr)
	}
}

// mustWait fails unless the program waits for NATS, says why, and its log has no secret.
func mustWait(t *testing.T, why, address string) {
	t.Helper()
	server := servertest.Launch(t, "--nats", address)
	server.AwaitLog(regexp.MustCompile("level=WARN.*for=NATS.*" + regexp.QuoteMeta(why)))
	server.Signal(os.Interrupt)
	server.AwaitEnd()
	if log := server.Log(); strings.Contains(log, secret) {
		t.Errorf("log with %q: got a secret in it:\n%s", address, log)
	}
}

// write writes a file of the test and returns its path.
func write(t *testing.T, name string, text []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// keyPair returns a new nkey, its public key and its seed.
func keyPair(t *testing.T, create func() (nkeys.KeyPair, error)) (pair nkeys.KeyPair, public string, seed []byte) {
	t.Helper()
	pair, err := create()
	if err != nil {
		t.Fatal(err)
	}
	public, _ = pair.PublicKey()
	seed, _ = pair.Seed() // both fail only for pairs without a private key
	return pair, public, seed
}

const violation = "Authorization Violation"

// TestLostConnectionHasNoSecret: neither the loss of NATS nor what fails until it is back
// brings the password into the log.
func TestLostConnectionHasNoSecret(t *testing.T) {
	t.Parallel()
	nats := servertest.StartNATS(t, 1, `authorization { user: ann, password: s3cret }`).Nodes[0]
	server := servertest.Start(t, "--log-level", "debug", "--nats", "nats://ann:s3cret@"+nats.Addr)
	server.AwaitLog(regexp.MustCompile("NATS at nats://" + nats.Addr))
	nats.Kill()
	server.AwaitLog(regexp.MustCompile("disconnected from NATS"))
	response, err := http.Get(server.URL() + "readyz")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if log := server.Log() + string(text); strings.Contains(log, secret) {
		t.Errorf("log and /readyz: got a secret in them:\n%s", log)
	}
}

func TestPasswordAndToken(t *testing.T) {
	t.Parallel()
	user := servertest.StartNATS(t, 1, `authorization { user: ann, password: s3cret }`).Nodes[0].Addr
	mustStart(t, "nats://ann:s3cret@"+user)
	mustStart(t, "ann:s3cret@"+user)
	mustFail(t, "another password", violation, "nats://ann:s3cret2@"+user)
	token := servertest.StartNATS(t, 1, `authorization { token: s3cret }`).Nodes[0].Addr
	mustStart(t, "nats://s3cret@"+token)
	mustFail(t, "another token", violation, "nats://s3cret2@"+token)
	mustWait(t, "cannot reach NATS at nats://127.0.0.1:1", "nats://s3cret@127.0.0.1:1")
	mustWait(t, "cannot reach NATS at nats://nowhere.invalid", "nats://ann:s3cret@nowhere.invalid")
	mustFail(t, "a scheme that the library does not know", "NATS", "nats://ann:s3cret@"+user+",ws://ann:s3cret@"+user)
}

func TestNKey(t *testing.T) {
	t.Parallel()
	_, public, seed := keyPair(t, nkeys.CreateUser)
	_, _, another := keyPair(t, nkeys.CreateUser)
	address := servertest.StartNATS(t, 1, fmt.Sprintf("authorization { users: [{ nkey: %s }] }", public)).URL()
	mustStart(t, address, "--nats-nkey", write(t, "user.nk", seed))
	mustFail(t, "without the nkey", violation, address)
	mustFail(t, "with another nkey", violation, address, "--nats-nkey", write(t, "user.nk", another))
	mustFail(t, "without the file", "--nats-nkey: nats: open /nowhere", address, "--nats-nkey", "/nowhere")
	mustFail(t, "with another file", "--nats-nkey", address, "--nats-nkey", write(t, "user.nk", []byte(secret)))
}

// TestCredentialsFile: a user of an account, both signed as nsc does.
func TestCredentialsFile(t *testing.T) {
	t.Parallel()
	operator, operatorKey, _ := keyPair(t, nkeys.CreateOperator)
	account, accountKey, _ := keyPair(t, nkeys.CreateAccount)
	_, systemKey, _ := keyPair(t, nkeys.CreateAccount)
	_, userKey, seed := keyPair(t, nkeys.CreateUser)
	sign := func(claims jwt.Claims, by nkeys.KeyPair) string {
		t.Helper()
		token, err := claims.Encode(by)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	claims := jwt.NewAccountClaims(accountKey)
	claims.Limits.JetStreamLimits = jwt.JetStreamLimits{DiskStorage: jwt.NoLimit, MemoryStorage: jwt.NoLimit, Streams: jwt.NoLimit, Consumer: jwt.NoLimit}
	creds, err := jwt.FormatUserConfig(sign(jwt.NewUserClaims(userKey), account), seed)
	if err != nil {
		t.Fatal(err)
	}
	address := servertest.StartNATS(t, 1,
		fmt.Sprintf("trusted_keys: [%s]\nsystem_account: %s\nresolver: MEMORY", operatorKey, systemKey),
		fmt.Sprintf("resolver_preload { %s: %s, %s: %s }", accountKey, sign(claims, operator), systemKey, sign(jwt.NewAccountClaims(systemKey), operator)),
	).URL()
	mustStart(t, address, "--nats-creds", write(t, "user.creds", creds))
	mustFail(t, "without the credentials", violation, address)
	mustFail(t, "without the file", "--nats-creds: open /nowhere", address, "--nats-creds", "/nowhere")
	mustFail(t, "with another file", "--nats-creds", address, "--nats-creds", write(t, "user.creds", []byte(secret)))
}

// TestClientCertificate: the server and the client know each other by an authority of
// their own.
func TestClientCertificate(t *testing.T) {
	t.Parallel()
	cert, key := writeAuthority(t)
	address := servertest.StartNATS(t, 1,
		fmt.Sprintf("tls { cert_file: %q, key_file: %q, ca_file: %q, verify: true, timeout: 60 }", cert, key, cert)).URL()
	mustStart(t, address, "--nats-ca", cert, "--nats-cert", cert, "--nats-key", key)
	mustFail(t, "without the authority", "certificate signed by unknown authority", address, "--nats-cert", cert, "--nats-key", key)
	mustFail(t, "without a certificate", "tls", address, "--nats-ca", cert)
	mustFail(t, "without the authority's file", "--nats-ca: nats: error loading or parsing rootCA file: open /nowhere", address, "--nats-ca", "/nowhere")
	mustFail(t, "without the certificate's file", "--nats-cert: nats: error loading client certificate: open /nowhere", address, "--nats-ca", cert, "--nats-cert", "/nowhere", "--nats-key", key)
	mustFail(t, "with an authority that is none", "--nats-ca", address, "--nats-ca", write(t, "ca.pem", []byte(secret)))
	plain := servertest.StartNATS(t, 1).URL()
	mustFail(t, "a server without TLS", "secure connection not available", plain, "--nats-ca", cert)
}

// writeAuthority writes a certificate that is its own authority, for servers and clients,
// and its key.
func writeAuthority(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, "cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		write(t, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}
