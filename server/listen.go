package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"

	"websockets/server/web"
)

// Values of --listen.
const (
	defaultListen = "127.0.0.1:8080"
	unixPrefix    = "unix:"
	fromSystemd   = "systemd" // with or without a colon
)

// loopback is the address that stands for the peers of a Unix socket, which have none.
var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// listen opens the sockets, with TLS if there is a certificate.
func (s *serveCommand) listen(c *chatServer) error {
	certificate, err := s.tlsFlags.certificate(c.logger)
	if err != nil {
		return err
	}
	c.listeners, err = openSockets(s.Listen)
	if err != nil {
		return err
	}
	scheme := "http"
	if certificate != nil {
		scheme = "https"
		c.files = append(c.files, reloadable{s.TLSCert, certificate.reload})
	}
	var addresses []string
	for i, l := range c.listeners {
		addresses = append(addresses, addressOf(l, scheme, s.BasePath))
		if _, isUnix := l.Addr().(*net.UnixAddr); isUnix {
			c.listeners[i] = unixListener{l}
		}
		c.listeners[i] = &frugalListener{Listener: c.listeners[i], logger: c.logger}
		if certificate != nil {
			c.listeners[i] = tls.NewListener(c.listeners[i], certificate.config())
		}
	}
	c.address = strings.Join(addresses, ", ")
	return nil
}

// isLocal reports whether all clients come through Unix sockets.
func (c *chatServer) isLocal() bool {
	for _, l := range c.listeners {
		if _, isUnix := l.Addr().(*net.UnixAddr); !isUnix {
			return false
		}
	}
	return true
}

// openSockets listens on the address of --listen. Without an address, it takes the sockets
// that systemd passes, if there are any.
func openSockets(address string) ([]net.Listener, error) {
	path, isUnix := strings.CutPrefix(address, unixPrefix)
	switch {
	case strings.TrimSuffix(address, ":") == fromSystemd, address == "" && systemdSockets() > 0:
		return listenSystemd()
	case address == "":
		address = defaultListen
	}
	var l net.Listener
	var err error
	if isUnix {
		l, err = listenUnix(path)
	} else {
		l, err = net.Listen("tcp", address)
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is in use: stop the program that listens there, or choose another address with --listen", address)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", address, err)
	}
	return []net.Listener{l}, nil
}

// listenUnix listens on a Unix socket that its owner and group may connect to. It replaces
// one that a server has left behind.
func listenUnix(path string) (net.Listener, error) {
	err := removeAbandoned(path)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(path, "@") { // not in the file system
		return l, nil
	}
	err = os.Chmod(path, 0o660)
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// removeAbandoned removes a socket on which nobody listens. It returns an error if there is
// a file of another kind.
func removeAbandoned(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return nil // usually there is none
	}
	if info.Mode().Type() != os.ModeSocket {
		return errors.New("a file is there that is not a socket")
	}
	conn, err := net.Dial("unix", path)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return os.Remove(path)
	}
	if err == nil {
		_ = conn.Close()
	}
	return nil
}

// systemdSockets returns how many sockets systemd passes to this process, see
// sd_listen_fds(3).
func systemdSockets() int {
	pid, err := strconv.Atoi(os.Getenv("LISTEN_PID"))
	if err != nil || pid != os.Getpid() {
		return 0
	}
	n, _ := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	return n
}

// listenSystemd takes the sockets that systemd passes.
func listenSystemd() (all []net.Listener, err error) {
	const first = 3
	n := systemdSockets()
	if n < 1 {
		return nil, errors.New("--listen systemd: got no socket from systemd: start the .socket unit, not the service alone")
	}
	for fd := first; fd < first+n; fd++ {
		file := os.NewFile(uintptr(fd), "socket "+strconv.Itoa(fd)+" of systemd")
		l, err := net.FileListener(file) // duplicates the descriptor
		_ = file.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file.Name(), err)
		}
		all = append(all, l)
	}
	return all, nil
}

// addressOf returns an address at which a listener can be reached from this machine.
func addressOf(l net.Listener, scheme string, base web.BasePath) string {
	at, isTCP := l.Addr().(*net.TCPAddr)
	if !isTCP {
		return unixPrefix + l.Addr().String()
	}
	address := url.URL{Scheme: scheme, Host: at.String()}
	if at.IP.IsUnspecified() {
		address.Host = net.JoinHostPort("localhost", strconv.Itoa(at.Port))
	}
	if base != "" {
		address.Path = string(base) + "/"
	}
	return address.String()
}

// unixListener accepts connections that have an address: that of this machine.
type unixListener struct{ net.Listener }

func (l unixListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return unixConn{conn.(*net.UnixConn)}, nil
}

type unixConn struct{ *net.UnixConn }

func (unixConn) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(loopback, 0))
}
