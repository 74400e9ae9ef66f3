package web

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// behindProxies sets a request's RemoteAddr and URL scheme to those of the original
// client, as X-Forwarded-For and X-Forwarded-Proto say, or Forwarded if the request has
// neither, and removes X-Forwarded-For and Forwarded. It ignores these headers unless a
// trusted proxy sent the request.
func behindProxies(trusted []netip.Prefix, next http.Handler) http.Handler {
	if len(trusted) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		address, ok := addressIn(r.RemoteAddr)
		if ok && isTrusted(trusted, address) {
			client := clientOf(r.Header, address, trusted)
			r.RemoteAddr = netip.AddrPortFrom(client.address, 0).String()
			r.Header.Del("X-Forwarded-For") // what is left comes from somebody who is not trusted
			r.Header.Del("Forwarded")
			if strings.EqualFold(client.proto, "https") || strings.EqualFold(client.proto, "wss") {
				r.URL.Scheme = "https"
			}
		}
		next.ServeHTTP(w, r)
	})
}

// hop is a client as a proxy saw it.
type hop struct {
	address netip.Addr
	proto   string
}

// clientOf returns the original client of a request that a trusted proxy has sent. Each
// proxy appends what it saw, so what comes before an untrusted hop is made up.
func clientOf(h http.Header, proxy netip.Addr, trusted []netip.Prefix) hop {
	hops := xForwarded(h)
	if hops == nil {
		hops = forwarded(h)
	}
	client := hop{address: proxy}
	for _, seen := range slices.Backward(hops) {
		client.proto = seen.proto
		if !seen.address.IsValid() {
			break
		}
		client.address = seen.address
		if !isTrusted(trusted, client.address) {
			break
		}
	}
	return client
}

// xForwarded returns the hops of X-Forwarded-For, each with the protocol of
// X-Forwarded-Proto. If that has several, the first is the browser's. It returns nil if
// the request has neither header.
func xForwarded(h http.Header) (hops []hop) {
	addresses, protos := h.Values("X-Forwarded-For"), h.Values("X-Forwarded-Proto")
	if len(addresses) == 0 && len(protos) == 0 {
		return nil
	}
	proto, _, _ := strings.Cut(strings.Join(protos, ","), ",")
	for text := range strings.SplitSeq(strings.Join(addresses, ","), ",") {
		address, _ := addressIn(strings.TrimSpace(text)) // invalid if there is none
		hops = append(hops, hop{address, strings.TrimSpace(proto)})
	}
	return hops
}

// forwarded returns the hops of Forwarded (RFC 7239). It splits at each comma and
// semicolon, quoted or not: no address contains one, and so a quotation mark that a
// client has made up cannot hide what a proxy appended.
func forwarded(h http.Header) (hops []hop) {
	for element := range strings.SplitSeq(strings.Join(h.Values("Forwarded"), ","), ",") {
		var seen hop
		for pair := range strings.SplitSeq(element, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
			value = strings.Trim(value, `"`)
			switch strings.ToLower(name) {
			case "for":
				seen.address, _ = addressIn(value) // invalid if it is hidden
			case "proto":
				seen.proto = value
			}
		}
		hops = append(hops, seen)
	}
	return hops
}

func isTrusted(trusted []netip.Prefix, address netip.Addr) bool {
	return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(address) })
}

// addressIn parses an address with or without a port.
func addressIn(text string) (netip.Addr, bool) {
	if host, _, err := net.SplitHostPort(text); err == nil {
		text = host
	}
	address, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return address.Unmap().WithZone(""), err == nil
}

// ParseProxies parses addresses and networks, the values of --trusted-proxy.
func ParseProxies(list []string) (trusted []netip.Prefix, err error) {
	for _, text := range list {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			var address netip.Addr
			if address, err = netip.ParseAddr(text); err != nil {
				return nil, err
			}
			p = netip.PrefixFrom(address, address.BitLen())
		}
		trusted = append(trusted, p.Masked())
	}
	return trusted, nil
}
