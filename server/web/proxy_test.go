package web

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestWhatProxiesSay(t *testing.T) {
	trusted, err := ParseProxies([]string{"10.0.0.0/8", "192.0.2.1", "2001:db8::/32"})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		from, forwarded, proto string
		address, scheme        string
	}{
		{"198.51.100.7:1234", "203.0.113.9", "https", "198.51.100.7:1234", ""}, // a stranger says so
		{"10.1.2.3:1234", "203.0.113.9", "https", "203.0.113.9:0", "https"},
		{"10.1.2.3:1234", "", "http", "10.1.2.3:0", ""},
		{"10.1.2.3:1234", "1.1.1.1, 203.0.113.9", "", "203.0.113.9:0", ""},             // the client made up the first
		{"10.1.2.3:1234", "203.0.113.9, 192.0.2.1, 10.9.9.9", "", "203.0.113.9:0", ""}, // two more of ours between
		{"10.1.2.3:1234", "10.4.4.4", "", "10.4.4.4:0", ""},
		{"10.1.2.3:1234", "203.0.113.9, nonsense", "", "10.1.2.3:0", ""},
		{"10.1.2.3:1234", "203.0.113.9:5678", "", "203.0.113.9:0", ""},
		{"[2001:db8::1]:1234", "2a00::7", "HTTPS", "[2a00::7]:0", "https"},
		{"10.1.2.3:1234", "[2a00::7]:99", "", "[2a00::7]:0", ""},
		{"[::ffff:10.1.2.3]:1234", "203.0.113.9", "", "203.0.113.9:0", ""},
	} {
		var got *http.Request
		handler := behindProxies(trusted, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r }))
		r := httptest.NewRequest("GET", "/ws", nil)
		r.RemoteAddr = test.from
		r.Header.Set("X-Forwarded-For", test.forwarded)
		r.Header.Set("X-Forwarded-Proto", test.proto)
		handler.ServeHTTP(httptest.NewRecorder(), r)
		if got.RemoteAddr != test.address || got.URL.Scheme != test.scheme {
			t.Errorf("from %s with %q, %q: got address %s and scheme %q, want %s and %q",
				test.from, test.forwarded, test.proto, got.RemoteAddr, got.URL.Scheme, test.address, test.scheme)
		}
		ignored := ""
		if test.address == test.from {
			ignored = test.forwarded
		}
		if left := got.Header.Get("X-Forwarded-For"); left != ignored {
			t.Errorf("from %s with %q: got X-Forwarded-For %q left, want %q", test.from, test.forwarded, left, ignored)
		}
	}
	if _, err := ParseProxies([]string{"10.0.0.0/33"}); err == nil {
		t.Error("ParseProxies(10.0.0.0/33): got no error, want one")
	}
}
