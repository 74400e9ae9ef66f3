package web

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestWhatProxiesSay(t *testing.T) {
	xff, proto, rfc7239 := "X-Forwarded-For", "X-Forwarded-Proto", "Forwarded"
	trusted, err := ParseProxies([]string{"10.0.0.0/8", "192.0.2.1", "2001:db8::/32"})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		from            string
		headers         []string // names and values
		address, scheme string
	}{
		{"198.51.100.7:1234", []string{xff, "203.0.113.9", proto, "https"}, "198.51.100.7:1234", ""}, // a stranger says so
		{"198.51.100.7:1234", []string{rfc7239, "for=203.0.113.9;proto=https"}, "198.51.100.7:1234", ""},
		{"10.1.2.3:1234", nil, "10.1.2.3:0", ""},
		{"10.1.2.3:1234", []string{xff, "203.0.113.9", proto, "https"}, "203.0.113.9:0", "https"},
		{"10.1.2.3:1234", []string{xff, "", proto, "http"}, "10.1.2.3:0", ""},
		{"10.1.2.3:1234", []string{xff, "1.1.1.1, 203.0.113.9"}, "203.0.113.9:0", ""},             // the client made up the first
		{"10.1.2.3:1234", []string{xff, "203.0.113.9, 192.0.2.1, 10.9.9.9"}, "203.0.113.9:0", ""}, // two more of ours between
		{"10.1.2.3:1234", []string{xff, "203.0.113.9, 192.0.2.1", xff, "10.9.9.9"}, "203.0.113.9:0", ""},
		{"10.1.2.3:1234", []string{xff, "10.4.4.4"}, "10.4.4.4:0", ""},
		{"10.1.2.3:1234", []string{xff, "203.0.113.9, nonsense"}, "10.1.2.3:0", ""},
		{"10.1.2.3:1234", []string{xff, "203.0.113.9:5678"}, "203.0.113.9:0", ""},
		{"[2001:db8::1]:1234", []string{xff, "2a00::7", proto, "HTTPS"}, "[2a00::7]:0", "https"},
		{"10.1.2.3:1234", []string{xff, "[2a00::7]:99"}, "[2a00::7]:0", ""},
		{"[::ffff:10.1.2.3]:1234", []string{xff, "203.0.113.9"}, "203.0.113.9:0", ""},

		{"10.1.2.3:1234", []string{proto, "https"}, "10.1.2.3:0", "https"},
		{"10.1.2.3:1234", []string{proto, "wss"}, "10.1.2.3:0", "https"},
		{"10.1.2.3:1234", []string{proto, "WSS"}, "10.1.2.3:0", "https"},
		{"10.1.2.3:1234", []string{proto, "ws"}, "10.1.2.3:0", ""},
		{"10.1.2.3:1234", []string{proto, "https, http"}, "10.1.2.3:0", "https"}, // the browser's is the first
		{"10.1.2.3:1234", []string{proto, "https,https"}, "10.1.2.3:0", "https"},
		{"10.1.2.3:1234", []string{proto, "http,https"}, "10.1.2.3:0", ""},
		{"10.1.2.3:1234", []string{proto, "https", proto, "http", xff, "203.0.113.9, 10.2.2.2"}, "203.0.113.9:0", "https"},

		{"10.1.2.3:1234", []string{rfc7239, "for=203.0.113.9;proto=https"}, "203.0.113.9:0", "https"},
		{"10.1.2.3:1234", []string{rfc7239, `FOR="203.0.113.9:5678"; Proto="WSS";host=chat.example`}, "203.0.113.9:0", "https"},
		{"10.1.2.3:1234", []string{rfc7239, `by=10.1.2.3;for="[2a00::7]:99"`}, "[2a00::7]:0", ""},
		{"10.1.2.3:1234", []string{rfc7239, "for=1.1.1.1;proto=http, for=203.0.113.9;proto=https,for=10.9.9.9;proto=http"}, "203.0.113.9:0", "https"},
		{"10.1.2.3:1234", []string{rfc7239, "for=203.0.113.9;proto=https", rfc7239, "for=10.9.9.9;proto=http"}, "203.0.113.9:0", "https"},
		{"10.1.2.3:1234", []string{rfc7239, "for=203.0.113.9, for=unknown;proto=https"}, "10.1.2.3:0", "https"},
		{"10.1.2.3:1234", []string{rfc7239, "for=_hidden"}, "10.1.2.3:0", ""},
		{"10.1.2.3:1234", []string{rfc7239, `for=1.1.1.1;host=", for=203.0.113.9;proto=https`}, "203.0.113.9:0", "https"}, // the client opened a quotation
		{"10.1.2.3:1234", []string{rfc7239, "for=1.1.1.1;proto=https", xff, "203.0.113.9"}, "203.0.113.9:0", ""},          // this proxy passes it on as it was
		{"10.1.2.3:1234", []string{rfc7239, "for=1.1.1.1;proto=http", proto, "https"}, "10.1.2.3:0", "https"},
		{"10.1.2.3:1234", []string{rfc7239, ";;=,,"}, "10.1.2.3:0", ""},
	} {
		var got *http.Request
		handler := behindProxies(trusted, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r }))
		r := httptest.NewRequest("GET", "/ws", nil)
		r.RemoteAddr = test.from
		for i := 0; i < len(test.headers); i += 2 {
			r.Header.Add(test.headers[i], test.headers[i+1])
		}
		sent := r.Header.Clone()
		handler.ServeHTTP(httptest.NewRecorder(), r)
		if got.RemoteAddr != test.address || got.URL.Scheme != test.scheme {
			t.Errorf("from %s with %q: got address %s and scheme %q, want %s and %q",
				test.from, test.headers, got.RemoteAddr, got.URL.Scheme, test.address, test.scheme)
		}
		for _, header := range []string{xff, rfc7239} {
			want := ""
			if test.address == test.from { // not a trusted proxy
				want = sent.Get(header)
			}
			if left := got.Header.Get(header); left != want {
				t.Errorf("from %s with %q: got %s %q left, want %q", test.from, test.headers, header, left, want)
			}
		}
	}
	if _, err := ParseProxies([]string{"10.0.0.0/33"}); err == nil {
		t.Error("ParseProxies(10.0.0.0/33): got no error, want one")
	}
}
