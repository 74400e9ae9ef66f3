package web

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"websockets/server/eventlog/memlog"
	"websockets/server/servertest"
	"websockets/shared"
)

func TestIdempotencyKeys(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("k", maxKey)
	for value, want := range map[string]string{
		`order-7`:                     `order-7`,
		`"order-7"`:                   `order-7`,
		`order:7/a.b c`:               `order:7/a.b c`,
		`"order:7/a.b c"`:             `order:7/a.b c`,
		`"say \"hi\" \\ "`:            `say "hi" \ `,
		`a"b\c`:                       `a"b\c`,
		`"k" ; source="shop"`:         `k`,
		long:                          long,
		`"` + long + `"`:              long,
		`"` + long[1:] + `\\` + `"`:   long[1:] + `\`,
		`{"order":7}`:                 `{"order":7}`,
		`8e03978e-40d5-43e8-bc93/2=+`: `8e03978e-40d5-43e8-bc93/2=+`,
	} {
		got, err := parseKey(value)
		if err != nil || got != want {
			t.Errorf("key %s: got %q, %v, want %q", value, got, err, want)
		}
	}
	for value, want := range map[string]string{
		``:                     "empty",
		`""`:                   "empty",
		`"open`:                "closing quote",
		`"open\"`:              "closing quote",
		`"a" b`:                "end with its closing quote",
		`"a\b"`:                "must be followed by",
		`"a\`:                  "must be followed by",
		"ключ":                 "printable ASCII",
		"\"a\tb\"":             "printable ASCII",
		long + "k":             "256 bytes",
		`"` + long + `k` + `"`: "256 bytes",
	} {
		key, err := parseKey(value)
		var refused *shared.Error
		if !errors.As(err, &refused) || refused.Code != shared.CodeBadID || !strings.Contains(refused.Message, want) {
			t.Errorf("key %s: got %q, %v, want %s with %q", value, key, err, shared.CodeBadID, want)
		}
	}
}

// The id of a message is always one that clients take.
func TestMessageIDOfAKey(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, key := range []string{"order-7", "order:7", "order/7", "order 7", strings.Repeat("k", maxKey)} {
		id, err := messageID(http.Header{"Idempotency-Key": {key}})
		if err != nil || shared.ValidateID(id) != nil {
			t.Errorf("id of key %s: got %q, %v, want a valid id", key, id, err)
		}
		if other, taken := seen[id]; taken {
			t.Errorf("id of key %s: got that of %s, want one of its own", key, other)
		}
		seen[id] = key
	}
	if id, err := messageID(http.Header{}); id != "" || err != nil {
		t.Errorf("id without a key: got %q, %v, want none", id, err)
	}
	_, err := messageID(http.Header{"Idempotency-Key": {"a", "b"}})
	if err == nil || !strings.Contains(err.Error(), "one Idempotency-Key") {
		t.Errorf("two keys: got %v, want an error", err)
	}
}

// A request is known for a day, over HTTP.
func TestTheSameKeyADayLater(t *testing.T) {
	clock := &servertest.Clock{}
	server := serveLog(t, memlog.Open(memlog.Options{Now: clock.Now}))
	var seqs []any
	for _, test := range []struct {
		later  time.Duration
		status int
	}{{0, http.StatusCreated}, {24*time.Hour - time.Minute, http.StatusOK}, {24*time.Hour + time.Minute, http.StatusCreated}} {
		clock.Set(test.later)
		status, got := call(t, server, allToken, "POST", "/api/rooms/orders/messages", `{"message":"paid"}`, "Idempotency-Key", "order:7")
		if status != test.status {
			t.Errorf("after %v: got %d %v, want %d", test.later, status, got, test.status)
		}
		seqs = append(seqs, got["seq"])
	}
	if seqs[1] != seqs[0] || seqs[2] == seqs[0] {
		t.Errorf("sequences: got %v, want the first one twice, then another", seqs)
	}
}

// A key names one message, with quotes and without.
func TestTheSameKeyIsStoredOnce(t *testing.T) {
	server := serveAPI(t)
	for i, forms := range [][]string{
		{`k1`, `"k1"`, `k1`},
		{`"order:7"`, `order:7`, `"order:7"`},
		{`a b/c.d`, `"a b/c.d"`, `"a b/c.d";v=1`},
	} {
		body := fmt.Sprintf(`{"message":"order %d"}`, i)
		var first map[string]any
		for n, form := range forms {
			status, got := call(t, server, allToken, "POST", "/api/rooms/orders/messages", body, "Idempotency-Key", form)
			if n == 0 {
				first = got
				if status != http.StatusCreated {
					t.Errorf("key %s: got %d %v, want %d", form, status, got, http.StatusCreated)
				}
				continue
			}
			if status != http.StatusOK || got["seq"] != first["seq"] {
				t.Errorf("key %s after %s: got %d %v, want %d and %v", form, forms[0], status, got, http.StatusOK, first)
			}
		}
		status, got := call(t, server, allToken, "POST", "/api/rooms/orders/messages", `{"message":"another"}`, "Idempotency-Key", forms[1])
		if status != http.StatusConflict || got["code"] != shared.CodeIDReused {
			t.Errorf("key %s with another text: got %d %v, want %d %s", forms[1], status, got, http.StatusConflict, shared.CodeIDReused)
		}
	}
}
