package quota

import (
	"net/netip"
	"testing"
)

func TestAddressOf(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:99":              "192.0.2.1/32",
		"192.0.2.1":                 "192.0.2.1/32",
		"[::ffff:192.0.2.1]:99":     "192.0.2.1/32",
		"[2001:db8:1:2:3:4:5:6]:99": "2001:db8:1:2::/64",
		"[2001:db8:1:2:9:9:9:9]:1":  "2001:db8:1:2::/64",
		"[fe80::1%eth0]:1":          "fe80::/64",
		"@":                         netip.Prefix{}.String(),
	} {
		if got := AddressOf(remote).String(); got != want {
			t.Errorf("AddressOf(%q): got %s, want %s", remote, got, want)
		}
	}
}
