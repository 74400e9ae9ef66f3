package jetstream

import (
	"strings"
	"testing"
)

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
		if got, err := Addresses(servers); err != nil || got != want {
			t.Errorf("Addresses(%q): got %q, %v, want %q", servers, got, err, want)
		}
	}
	for _, servers := range []string{
		"nats://", "nats://ann:s3cret wrong@a:1", "nats://ann:s3cret/@a:1", "nats://ann:s3cret%@a:1", "nats://ann:s3cret,x@a:1",
		"nats://ann:12/s3cret@a:1", "nats://ann:12?s3cret@a:1", "nats://ann:12#s3cret@a:1",
	} {
		if got, err := Addresses(servers); err == nil || strings.Contains(err.Error(), "s3cret") || got != "" {
			t.Errorf("Addresses(%q): got %q, %v, want an error without the password", servers, got, err)
		}
	}
}
