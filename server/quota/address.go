package quota

import (
	"net"
	"net/netip"
)

// AddressOf returns what counts as one address: an IPv4 address, or the /64 network of an
// IPv6 address, as providers give one to each customer. remote is the address of a
// connection, with or without a port. Addresses that cannot be parsed count as one, the
// zero Prefix.
func AddressOf(remote string) netip.Prefix {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Prefix{}
	}
	address = address.Unmap().WithZone("")
	bits := 32
	if address.Is6() {
		bits = 64
	}
	prefix, _ := address.Prefix(bits) // of an address of this kind
	return prefix
}
