package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// visit sends a GET as a browser does.
func visit(handler http.Handler, path string) *http.Response {
	r := httptest.NewRequest("GET", "http://chat.example"+path, nil)
	r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w.Result()
}

// resolve returns the path to which an address in the response to a path leads.
func resolve(t *testing.T, path, address string) string {
	t.Helper()
	base, err := url.Parse("http://chat.example" + path)
	if err != nil {
		t.Fatal(err)
	}
	to, err := base.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return to.RequestURI()
}

func TestRoomAddressesLeadWhereTheyMean(t *testing.T) {
	handler, _ := serve(t)
	for path, want := range map[string]string{
		"/r/den/": "/r/den", "/r/Den": "/r/den", "/r/den//": "/r/den", "//r/DEN/": "/r/den", "/r//den": "/r/den",
		"/r/My%20Den": "/r/my-den", "/r/den%20": "/r/den", "/r/Den?events": "/r/den?events",
		"/r": "/", "/r/": "/", "//": "/", "/r/den/../": "/",
		"/a%3Fb//": "/a%3Fb/", "/x%0D%0AY:%20z//": "/x%0D%0AY:%20z/",
	} {
		answer := visit(handler, path)
		to := answer.Header.Get("Location")
		if answer.StatusCode != http.StatusMovedPermanently || strings.HasPrefix(to, "/") || resolve(t, path, to) != want {
			t.Errorf("%s: got %s to %q, want a redirect, relative, to %s", path, answer.Status, to, want)
		}
	}
	for _, path := range []string{"/", "/r/den", "/r/a-b_1", "/r/%D1%91%D0%B6", "/r/a.b"} { // the page says what is wrong with a name
		if answer := visit(handler, path); answer.StatusCode != http.StatusOK {
			t.Errorf("%s: got %s, want the page", path, answer.Status)
		}
	}
}

// TestWhatIsNotThereHasAWayBack: a browser gets a page with a link to the chat, a program
// gets text, and a program that calls the HTTP API gets a problem, whether or not that is on.
func TestWhatIsNotThereHasAWayBack(t *testing.T) {
	handler, _ := serve(t)
	link := regexp.MustCompile(`<a href="([^"]+)">`)
	for path, status := range map[string]int{
		"/nothing": http.StatusNotFound, "/r/den/x": http.StatusNotFound, "/r/den/x/": http.StatusNotFound, "/a%2Fb/c": http.StatusNotFound,
		"/static/app.0000000000000000.wasm": http.StatusNotFound, "/forget": http.StatusMethodNotAllowed,
	} {
		answer := visit(handler, path)
		body := new(strings.Builder)
		if err := answer.Write(body); err != nil {
			t.Fatal(err)
		}
		found := link.FindStringSubmatch(body.String())
		if answer.StatusCode != status || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") || found == nil || resolve(t, path, found[1]) != "/" {
			t.Errorf("%s in a browser: got\n%s\nwant %d and a page with a link to the chat", path, body, status)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != status || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
			t.Errorf("%s in a program: got %d, %s, want %d, text/plain", path, w.Code, w.Header().Get("Content-Type"), status)
		}
	}
	for _, path := range []string{"/api", "/api/", "/api/nothing", "/api/rooms"} {
		answer := visit(handler, path)
		if answer.StatusCode != http.StatusNotFound || answer.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s without --api-tokens: got %s, %s, want 404, application/problem+json", path, answer.Status, answer.Header.Get("Content-Type"))
		}
	}
}
