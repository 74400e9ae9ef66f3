package web

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"

	"websockets/server/eventlog"
	"websockets/server/eventlog/memlog"
	"websockets/shared"
)

// readPage gets a page of the room "orders".
func readPage(t *testing.T, server *httptest.Server, query string) (texts []string, page map[string]any) {
	t.Helper()
	status, page := call(t, server, readToken, "GET", "/api/rooms/orders/messages?"+query, "")
	if status != http.StatusOK {
		t.Fatalf("page %q: got %d %v, want %d", query, status, page, http.StatusOK)
	}
	for _, m := range page["messages"].([]any) {
		texts = append(texts, m.(map[string]any)["message"].(string))
	}
	return texts, page
}

// postNumbers posts messages "from" to "to" to the room "orders".
func postNumbers(t *testing.T, server *httptest.Server, from, to int) {
	t.Helper()
	for i := from; i <= to; i++ {
		status, got := call(t, server, allToken, "POST", "/api/rooms/orders/messages", fmt.Sprintf(`{"message":"%d"}`, i))
		if status != http.StatusCreated {
			t.Fatalf("message %d: got %d %v, want %d", i, status, got, http.StatusCreated)
		}
	}
}

func numbers(from, to int) (texts []string) {
	for i := from; i <= to; i++ {
		texts = append(texts, fmt.Sprint(i))
	}
	return texts
}

func cursorOf(page map[string]any) string { return "cursor=" + page["cursor"].(string) }
func olderOf(page map[string]any) string  { return "cursor=" + page["older"].(string) }

// A reader that starts with after=0 and goes on by the cursors gets every message once,
// in order, those that come later too.
func TestCursorsReadEverything(t *testing.T) {
	server := serveAPI(t)
	_, empty := readPage(t, server, "")
	postNumbers(t, server, 1, 7)
	for name, query := range map[string]string{"after=0": "after=0", "the cursor of the empty room": cursorOf(empty)} {
		var all []string
		query += "&limit=3"
		for more := true; more; {
			texts, page := readPage(t, server, query)
			all = append(all, texts...)
			more = page["more"].(bool)
			if page["truncated"] != nil || page["reset"] != nil {
				t.Errorf("from %s: got %v, want no truncated and no reset", name, page)
			}
			query = cursorOf(page) + "&limit=3"
		}
		if !slices.Equal(all, numbers(1, 7)) {
			t.Errorf("from %s: got %q, want 1 to 7", name, all)
		}
		texts, page := readPage(t, server, query)
		if len(texts) > 0 || cursorOf(page)+"&limit=3" != query {
			t.Errorf("from %s, at the end: got %q and another cursor, want the same and no messages", name, texts)
		}
	}
	texts, page := readPage(t, server, "limit=2")
	if !slices.Equal(texts, numbers(6, 7)) || page["more"] != true {
		t.Errorf("newest page: got %q, more %v, want 6, 7 and more", texts, page["more"])
	}
	newest := cursorOf(page)
	for _, want := range [][]string{numbers(4, 5), numbers(2, 3), numbers(1, 1), nil} {
		texts, page = readPage(t, server, olderOf(page)+"&limit=2")
		if !slices.Equal(texts, want) || page["more"] != (len(want) == 2) || page["truncated"] != nil {
			t.Errorf("older page: got %q, more %v, truncated %v, want %q", texts, page["more"], page["truncated"], want)
		}
	}
	postNumbers(t, server, 8, 9)
	if texts, _ := readPage(t, server, newest); !slices.Equal(texts, numbers(8, 9)) {
		t.Errorf("after the newest page: got %q, want 8, 9", texts)
	}
	status, p := call(t, server, readToken, "GET", "/api/rooms/other/messages?"+newest, "")
	if status != http.StatusBadRequest || p["code"] != shared.CodeBadPayload {
		t.Errorf("cursor of another room: got %d %v, want %d %s", status, p, http.StatusBadRequest, shared.CodeBadPayload)
	}
}

// A reader is told what retention has removed.
func TestTruncatedPages(t *testing.T) {
	server := serveLog(t, memlog.Open(memlog.Options{MaxRoomMessages: 3}))
	postNumbers(t, server, 1, 1)
	_, first := readPage(t, server, "")
	postNumbers(t, server, 2, 8)
	for query, after := range map[string]float64{"after=0": 0, cursorOf(first): 1, "after=2": 2, "": 0} {
		texts, page := readPage(t, server, query)
		want := map[string]any{"after": after, "first": 6.}
		if !slices.Equal(texts, numbers(6, 8)) || fmt.Sprint(page["truncated"]) != fmt.Sprint(want) {
			t.Errorf("page %q: got %q, truncated %v, want 6 to 8 and %v", query, texts, page["truncated"], want)
		}
	}
	for _, query := range []string{"limit=2", "after=6"} {
		if texts, page := readPage(t, server, query); page["truncated"] != nil {
			t.Errorf("page %q: got %q, truncated %v, want none", query, texts, page["truncated"])
		}
	}
}

// renamed is a log with another epoch.
type renamed struct{ eventlog.Store }

func (renamed) Epoch(string) string { return "another" }

// A reader whose place is in another log is told, and starts over.
func TestResetPages(t *testing.T) {
	log := memlog.Open(memlog.Options{})
	server := serveLog(t, log)
	postNumbers(t, server, 1, 3)
	_, page := readPage(t, server, "limit=2")
	place := pageCursor{}
	place, err := decodePageCursor("orders", page["cursor"].(string))
	if err != nil {
		t.Fatal(err)
	}
	other := place
	other.ID = "another"
	beyond := place
	beyond.Seq = 1000
	fresh := serveLog(t, renamed{log})
	for name, test := range map[string]struct {
		server *httptest.Server
		query  string
		want   []string
	}{
		"another epoch":                {fresh, cursorOf(page), numbers(1, 3)},
		"another epoch, older":         {fresh, olderOf(page) + "&limit=1", numbers(3, 3)},
		"another message at the place": {server, "cursor=" + other.encode(), numbers(1, 3)},
		"a cursor beyond the end":      {server, "cursor=" + beyond.encode(), numbers(1, 3)},
		"a sequence beyond the end":    {server, "after=1000", numbers(1, 3)},
		"another epoch, the beginning": {fresh, "cursor=" + url.QueryEscape(pageCursor{Cursor: shared.Cursor{Epoch: "x"}, Room: "orders"}.encode()), numbers(1, 3)},
	} {
		texts, got := readPage(t, test.server, test.query)
		if got["reset"] != true || !slices.Equal(texts, test.want) {
			t.Errorf("%s: got %q, reset %v, want %q and true", name, texts, got["reset"], test.want)
		}
		if texts, next := readPage(t, test.server, cursorOf(got)); next["reset"] != nil || len(texts) > 0 {
			t.Errorf("%s, the page after: got %q, reset %v, want neither", name, texts, next["reset"])
		}
	}
}
