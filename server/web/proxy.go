package web

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// behindProxies sets a request's RemoteAddr and URL scheme to those of the original
// client, as X-Forwarded-For and X-Forwarded-Proto say, and removes X-Forwarded-For. It
// ignores these headers unless a trusted proxy sent the request.
func behindProxies(trusted []netip.Prefix, next http.Handler) http.Handler {
	if len(trusted) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if address, ok := addressIn(r.RemoteAddr); ok && isTrusted(trusted, address) {
			forwarded := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
			for _, hop := range slices.Backward(forwarded) { // each proxy appends the address it saw
				hopped, ok := addressIn(strings.TrimSpace(hop))
				if !ok {
					break
				}
				if address = hopped; !isTrusted(trusted, address) {
					break
				}
			}
			r.RemoteAddr = netip.AddrPortFrom(address, 0).String()
			r.Header.Del("X-Forwarded-For") // what is left comes from somebody who is not trusted
			if strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
				r.URL.Scheme = "https"
			}
		}
		next.ServeHTTP(w, r)
	})
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
