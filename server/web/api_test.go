package web

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"websockets/server/auth"
	"websockets/server/chat"
	"websockets/server/eventlog"
	"websockets/server/eventlog/memlog"
	"websockets/server/servertest"
	"websockets/shared"
	"websockets/static"
)

func TestMain(m *testing.M) { os.Exit(servertest.MainWithoutLeaks(m)) }

const (
	allToken  = "all-0123456789abcdef0123456789abcdef"
	readToken = "read-0123456789abcdef0123456789abcde"
)

// serveAPI runs the routes on a real manager and a log in memory.
func serveAPI(t *testing.T, change ...func(*Options)) *httptest.Server {
	t.Helper()
	return serveLog(t, memlog.Open(memlog.Options{}), change...)
}

// serveLog is serveAPI on another log, which it closes.
func serveLog(t *testing.T, log eventlog.Store, change ...func(*Options)) *httptest.Server {
	t.Helper()
	t.Cleanup(log.Close)
	keys, _ := auth.Keys(nil).Rotate(time.Now())
	options := Options{Authenticator: auth.Authenticator{Guests: auth.NewGuestSessions(keys)}, Ready: log.Ready, Logger: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&options)
	}
	options.Authenticator.Revocations = auth.NewRevocations(log.Values(eventlog.Users))
	manager, err := chat.NewManager(log, options.Authenticator, chat.Config{Version: "test", Logger: options.Logger})
	if err != nil {
		t.Fatal(err)
	}
	backends := &Backends{}
	err = backends.Replace([]byte("# who may what\n\nshop " + allToken + " messages:write messages:read sessions:delete\nreader\t" + readToken + " messages:read\n"))
	if err != nil {
		t.Fatal(err)
	}
	options.Assets, err = static.Load()
	if err != nil {
		t.Fatal(err)
	}
	options.Manager, options.Backends = manager, backends
	server := httptest.NewServer(Handler(options))
	t.Cleanup(func() {
		manager.Shutdown(t.Context())
		server.Close()
	})
	return server
}

// call sends a request and decodes the answer, or the problem.
func call(t *testing.T, server *httptest.Server, token, method, path, body string, headers ...string) (int, map[string]any) {
	t.Helper()
	r, err := http.NewRequest(method, server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	answer := map[string]any{}
	want := "application/json"
	if response.StatusCode >= 400 {
		want = "application/problem+json"
	}
	if response.StatusCode == http.StatusNoContent {
		return response.StatusCode, nil
	}
	if got := response.Header.Get("Content-Type"); got != want {
		t.Errorf("%s %s: status %d: got Content-Type %s, want %s", method, path, response.StatusCode, got, want)
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Errorf("%s %s: %q: %v", method, path, text, err)
	}
	if response.StatusCode >= 400 && (answer["type"] != "about:blank" || answer["status"] != float64(response.StatusCode) || answer["title"] == "" || answer["detail"] == "" || answer["code"] == "") {
		t.Errorf("%s %s: got the problem %s, want the type about:blank, status %d, a title, a detail and a code", method, path, text, response.StatusCode)
	}
	return response.StatusCode, answer
}

func TestABackendWritesAndReads(t *testing.T) {
	server := serveAPI(t)
	post := func(body, key string) (int, map[string]any) {
		return call(t, server, allToken, "POST", "/api/rooms/orders/messages", body, "Idempotency-Key", key)
	}
	status, first := post(`{"message":"order 1 is paid","from":"Shop"}`, "order-1")
	if status != http.StatusCreated || first["id"] != "order-1" || first["user"] != "api:shop" || first["from"] != "Shop" || first["seq"] == nil || first["sent"] == nil {
		t.Fatalf("first message: got %d %v, want %d from Shop as api:shop", status, first, http.StatusCreated)
	}
	if status, again := post(`{"message":"order 1 is paid","from":"Shop"}`, "order-1"); status != http.StatusOK || again["seq"] != first["seq"] || again["sent"] != first["sent"] {
		t.Errorf("the same again: got %d %v, want %d and %v", status, again, http.StatusOK, first)
	}
	if status, other := post(`{"message":"order 1 is not paid"}`, "order-1"); status != http.StatusConflict || other["code"] != shared.CodeIDReused {
		t.Errorf("another text under the same key: got %d %v, want %d %s", status, other, http.StatusConflict, shared.CodeIDReused)
	}
	for i := range 3 {
		if status, m := post(`{"message":"more"}`, fmt.Sprint("more-", i)); status != http.StatusCreated || m["from"] != "shop" {
			t.Errorf("message %d: got %d %v, want %d from shop", i, status, m, http.StatusCreated)
		}
	}
	texts := func(query string) (list []string, more bool) {
		status, page := call(t, server, readToken, "GET", "/api/rooms/orders/messages"+query, "")
		if status != http.StatusOK {
			t.Fatalf("history %q: got %d %v, want %d", query, status, page, http.StatusOK)
		}
		for _, m := range page["messages"].([]any) {
			list = append(list, m.(map[string]any)["id"].(string))
		}
		return list, page["more"].(bool)
	}
	for query, want := range map[string]string{
		"":         "[order-1 more-0 more-1 more-2] false",
		"?limit=2": "[more-1 more-2] true",
		fmt.Sprint("?after=", first["seq"], "&limit=1"): "[more-0] true",
		fmt.Sprint("?before=", first["seq"]):            "[] false",
	} {
		list, more := texts(query)
		if got := fmt.Sprint(list, " ", more); got != want {
			t.Errorf("history %q: got %s, want %s", query, got, want)
		}
	}
	if _, rooms := call(t, server, readToken, "GET", "/api/rooms?filter=ord", ""); fmt.Sprint(rooms["rooms"].([]any)[0].(map[string]any)["name"]) != "orders" {
		t.Errorf("rooms: got %v, want orders first", rooms)
	}
}

// TestABackendSeesMembersAndRevokesSessions: members get what a backend writes, and
// a member whose session is revoked cannot come back with it.
// TestRoomsAreListedInPages: next of a page leads to the next one; a list that fits has
// none.
func TestRoomsAreListedInPages(t *testing.T) {
	server := serveAPI(t)
	for _, room := range []string{"a", "b", "c"} {
		call(t, server, allToken, "POST", "/api/rooms/"+room+"/messages", `{"message":"hi"}`)
	}
	_, all := call(t, server, readToken, "GET", "/api/rooms", "")
	if n := len(all["rooms"].([]any)); n != 3 || all["next"] != nil {
		t.Errorf("all rooms: got %d and next %v, want 3 and none", n, all["next"])
	}
	_, first := call(t, server, readToken, "GET", "/api/rooms?limit=2", "")
	next, _ := first["next"].(string)
	_, second := call(t, server, readToken, "GET", "/api/rooms?limit=2&page="+next, "")
	if n, more := len(first["rooms"].([]any)), len(second["rooms"].([]any)); n != 2 || more != 1 || next == "" || second["next"] != nil {
		t.Errorf("pages of 2: got %d rooms, then %d, and next %q, then %v, want 2, 1, and one next", n, more, next, second["next"])
	}
	status, _ := call(t, server, readToken, "GET", "/api/rooms?page=nowhere", "")
	if status != 400 {
		t.Errorf("an unknown page: got status %d, want 400", status)
	}
}

func TestABackendSeesMembersAndRevokesSessions(t *testing.T) {
	server := serveAPI(t)
	address := "ws" + strings.TrimPrefix(server.URL, "http") + "/ws"
	member := servertest.Dial(t, address, servertest.DialOptions{Room: "orders"})
	servertest.TakeEvent(member, shared.Synced)
	welcome := member.Welcome
	if _, there := call(t, server, readToken, "GET", "/api/rooms/orders/presence", ""); there["count"] != float64(1) || !strings.Contains(fmt.Sprint(there["members"]), welcome.User) {
		t.Errorf("presence: got %v, want %s alone", there, welcome.User)
	}
	if _, there := call(t, server, readToken, "GET", "/api/rooms/nobody/presence", ""); there["count"] != float64(0) {
		t.Errorf("presence in an empty room: got %v, want none", there)
	}
	call(t, server, allToken, "POST", "/api/rooms/orders/messages", `{"message":"hello"}`)
	if m := servertest.TakeEvent(member, shared.NewMessage); m.Message != "hello" || m.From != "shop" {
		t.Errorf("the member's message: got %+v, want hello from shop", m)
	}
	if status, _ := call(t, server, allToken, "DELETE", "/api/sessions/"+welcome.User, ""); status != http.StatusNoContent {
		t.Errorf("revoking the sessions: got status %d, want %d", status, http.StatusNoContent)
	}
	member.AwaitClose(shared.CloseSessionRevoked)
	_, err := servertest.Upgrade(address, servertest.DialOptions{Room: "orders", Session: welcome.Session})
	if err == nil || !strings.Contains(err.Error(), http.StatusText(http.StatusUnauthorized)) {
		t.Errorf("the old session: got %v, want %d", err, http.StatusUnauthorized)
	}
}

func TestWhatTheAPIRefuses(t *testing.T) {
	server := serveAPI(t)
	const messages = "/api/rooms/x/messages"
	for name, test := range map[string]struct {
		token, method, path, body string
		headers                   []string
		status                    int
		code                      string
	}{
		"no token":               {"", "GET", "/api/rooms", "", nil, 401, shared.CodeBadToken},
		"another token":          {"x" + allToken, "GET", "/api/rooms", "", nil, 401, shared.CodeBadToken},
		"token in the address":   {"", "GET", "/api/rooms?token=" + allToken, "", nil, 401, shared.CodeBadToken},
		"no right to write":      {readToken, "POST", messages, `{"message":"x"}`, nil, 403, shared.CodeForbidden},
		"no right to delete":     {readToken, "DELETE", "/api/sessions/x", "", nil, 403, shared.CodeForbidden},
		"no room":                {allToken, "POST", "/api/rooms/NO%20ROOM/messages", `{"message":"x"}`, nil, 400, shared.CodeBadRoom},
		"no JSON":                {allToken, "POST", messages, `{"message":`, nil, 400, shared.CodeBadJSON},
		"a key in another case":  {allToken, "POST", messages, `{"message":"x","FROM":"y"}`, nil, 400, shared.CodeBadJSON},
		"no text":                {allToken, "POST", messages, `{}`, nil, 400, shared.CodeBadMessage},
		"long text":              {allToken, "POST", messages, `{"message":"` + strings.Repeat("x", shared.MaxMessageLength+1) + `"}`, nil, 400, shared.CodeBadMessage},
		"a name that lies":       {allToken, "POST", messages, `{"message":"x","from":"a\u202eb"}`, nil, 400, shared.CodeBadName},
		"a key that is none":     {allToken, "POST", messages, `{"message":"x"}`, []string{"Idempotency-Key", "ключ"}, 400, shared.CodeBadID},
		"a large body":           {allToken, "POST", messages, `{"message":"` + strings.Repeat("x", maxBody) + `"}`, nil, 413, shared.CodeBadPayload},
		"a place that is none":   {allToken, "GET", messages + "?before=-1", "", nil, 400, shared.CodeBadPayload},
		"two places":             {allToken, "GET", messages + "?before=1&after=1", "", nil, 400, shared.CodeBadPayload},
		"three places":           {allToken, "GET", messages + "?before=x&after=x&limit=x", "", nil, 400, shared.CodeBadPayload},
		"a cursor that is none":  {allToken, "GET", messages + "?cursor=e30", "", nil, 400, shared.CodeBadPayload},
		"a cursor and a place":   {allToken, "GET", messages + "?cursor=e30&after=0", "", nil, 400, shared.CodeBadPayload},
		"no limit":               {allToken, "GET", messages + "?limit=0", "", nil, 400, shared.CodeBadPayload},
		"a large page":           {allToken, "GET", messages + "?limit=1000000", "", nil, 400, shared.CodeBadPayload},
		"a page of another site": {allToken, "POST", messages, `{"message":"x"}`, []string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, 403, shared.CodeForbidden},
		"nothing there":          {allToken, "GET", "/api/nothing", "", nil, 404, "not_found"},
	} {
		t.Run(name, func(t *testing.T) {
			status, p := call(t, server, test.token, test.method, test.path, test.body, test.headers...)
			if status != test.status || p["code"] != test.code {
				t.Errorf("got %d %v, want %d %s", status, p, test.status, test.code)
			}
		})
	}
}

// Of several parameters that are wrong the first one is named, always the same.
func TestTheFirstWrongParameterIsNamed(t *testing.T) {
	for range 20 {
		_, err := messagesQuery("x", url.Values{"before": {"x"}, "after": {"x"}, "limit": {"x"}})
		if err == nil || !strings.Contains(err.Error(), "before must be a sequence number") {
			t.Fatalf("got %v, want an error that names before", err)
		}
	}
}

// endless is a body that never ends.
type endless struct{ read atomic.Int64 }

func (e *endless) Read(p []byte) (int, error) {
	e.read.Add(int64(len(p)))
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// TestABodyOfAGigabyte is refused after the first 64 KiB.
func TestABodyOfAGigabyte(t *testing.T) {
	server := serveAPI(t)
	body := &endless{}
	r, err := http.NewRequest("POST", server.URL+"/api/rooms/x/messages", io.LimitReader(body, 1<<30))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+allToken)
	response, err := http.DefaultClient.Do(r)
	if err == nil {
		defer response.Body.Close()
		if response.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("got %s, want %d", response.Status, http.StatusRequestEntityTooLarge)
		}
	}
	if taken := body.read.Load(); taken > 64<<20 {
		t.Errorf("bytes of the body taken: got %d, want at most %d", taken, 64<<20)
	}
}

func TestTokenFilesThatAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"short token":   "shop short messages:read",
		"no scope":      "shop " + allToken,
		"another scope": "shop " + allToken + " everything",
	} {
		backends := &Backends{}
		if err := backends.Replace([]byte("shop " + allToken + " messages:read")); err != nil {
			t.Fatal(err)
		}
		if err := backends.Replace([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), "line 1") {
			t.Errorf("%s: got %v, want an error that begins with line 1", name, err)
		}
		r := httptest.NewRequest("GET", "/api/rooms", nil)
		r.Header.Set("Authorization", "Bearer "+allToken)
		if who, known := backends.authenticate(r); !known || who.name != "shop" {
			t.Errorf("%s: the owner of the token from before: got %q, %v, want shop", name, who.name, known)
		}
	}
}
