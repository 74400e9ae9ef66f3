package logtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"websockets/server/eventlog"
	"websockets/server/servertest"
	"websockets/shared"
)

// Options are what a test wants of the log that it opens.
type Options struct {
	MaxRoomMessages int64
	KeyBytes        int64            // 0 means the log's default
	Now             func() time.Time // nil means time.Now
}

// Open opens an empty log, which the test closes.
type Open func(t testing.TB, o Options) eventlog.Store

// Run runs the contract's tests, in parallel, each on logs of its own.
func Run(t *testing.T, open Open) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(*testing.T, Open)
	}{
		{"ReadsKeepOrderOfAppends", readInOrder},
		{"KeyIsStoredOnce", keyStoredOnce},
		{"KeyIsRememberedForADay", keyRememberedForADay},
		{"NewestKeysAreRemembered", newestKeysRemembered},
		{"KeyIsForgottenWithItsRecord", keyForgottenWithRecord},
		{"AppendsOfOneGoroutineKeepOrder", appendsKeepOrder},
		{"ReadsAgreeWithAModel", readsAgreeWithModel},
		{"ReadsBeyondTheEnd", readsBeyondTheEnd},
		{"PageLimits", pageBounds},
		{"MaxRoomMessagesKeepsNewest", roomKeepsNewest},
		{"Locate", locate},
		{"SubscriberGetsEveryRecordInOrder", subscriberGetsAll},
		{"SubscriptionBeginsAtHead", subscriptionBeginsAtHead},
		{"NothingIsDeliveredAfterClose", nothingAfterClose},
		{"SubscriptionIsTrusted", subscriptionIsTrusted},
		{"RecentRoomsSinceAMark", recentRooms},
		{"RecentRoomsAreAllRooms", manyRooms},
		{"ExpiredRooms", expiredRooms},
		{"ConcurrentUpdatesAgreeOnFirstValue", firstValueWins},
		{"NoUpdateIsLost", noUpdateIsLost},
		{"OwnerIsAnyString", anyOwner},
		{"InvalidRoomsAreRefused", invalidRooms},
		{"CallsAfterCloseAreUnavailable", unavailableAfterClose},
		{"CloseSettlesAppends", closeSettlesAppends},
		{"EachLogHasOwnEpoch", ownEpoch},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, open)
		})
	}
}

func opened(t testing.TB, open Open, o Options) eventlog.Store {
	t.Helper()
	l := open(t, o)
	t.Cleanup(l.Close)
	return l
}

type outcome struct {
	receipt eventlog.Receipt
	err     error
}

// put appends a record and waits for its receipt.
func put(t testing.TB, l eventlog.Log, room, key, body string) eventlog.Receipt {
	t.Helper()
	settled := make(chan outcome, 1)
	err := l.Append(t.Context(), room, key, []byte(body), func(r eventlog.Receipt, err error) { settled <- outcome{r, err} })
	if err != nil {
		t.Fatalf("Append(%s, %q): got %v, want no error", room, body, err)
	}
	o := take(t, settled, "the receipt of "+body)
	if o.err != nil {
		t.Fatalf("Append(%s, %q): settled with %v, want no error", room, body, o.err)
	}
	return o.receipt
}

func take[T any](t testing.TB, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(servertest.Patience):
		t.Fatalf("waited %v for %s", servertest.Patience, what)
		panic("unreachable")
	}
}

// readAll reads a room from the start in pages of limit.
func readAll(t testing.TB, l eventlog.Log, room string, limit int) (records []eventlog.Record) {
	t.Helper()
	for seq, more := uint64(0), true; more; {
		page, err := l.After(t.Context(), room, seq, limit, 64<<10)
		if err != nil {
			t.Fatalf("After(%s, %d): got %v, want no error", room, seq, err)
		}
		if page.More && len(page.Records) == 0 {
			t.Fatalf("After(%s, %d): got no records and More", room, seq)
		}
		records = append(records, page.Records...)
		more = page.More
		if more {
			seq = page.Records[len(page.Records)-1].Seq
		}
	}
	return records
}

func bodies(records []eventlog.Record) (texts []string) {
	for _, r := range records {
		texts = append(texts, string(r.Body))
	}
	return texts
}

func readInOrder(t *testing.T, open Open) {
	l := opened(t, open, Options{})
	var want []string
	last := uint64(0)
	for i := range 20 {
		body := fmt.Sprint("body ", i)
		r := put(t, l, "x", "x "+body, body)
		if r.Duplicate || r.Seq <= last {
			t.Fatalf("receipt: got %+v, want a place after %d and no duplicate", r, last)
		}
		last = r.Seq
		want = append(want, body)
		put(t, l, "y", "y "+body, "of the other room")
	}
	for _, limit := range []int{1, 7, 20, 100} {
		records := readAll(t, l, "x", limit)
		if got := bodies(records); !slices.Equal(got, want) {
			t.Errorf("in pages of %d: got %q, want %q", limit, got, want)
		}
		newest := records[len(records)-1]
		if newest.Room != "x" || newest.Seq != last {
			t.Errorf("newest record: got %d of %s, want %d of x", newest.Seq, newest.Room, last)
		}
	}
}

func keyStoredOnce(t *testing.T, open Open) {
	l := opened(t, open, Options{})
	first := put(t, l, "x", "key", "one")
	put(t, l, "x", "another", "two")
	again := put(t, l, "x", "key", "other text")
	if !again.Duplicate || again.Seq != first.Seq {
		t.Errorf("receipt: got %+v, want a duplicate of %d", again, first.Seq)
	}
	if got := bodies(readAll(t, l, "x", 10)); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("records: got %q, want one, two", got)
	}
}

// awaitForgotten appends a record again until it is stored again.
func awaitForgotten(t *testing.T, l eventlog.Log, room, key string) {
	t.Helper()
	servertest.Eventually(t, "the log to forget "+key, func() bool { return !put(t, l, room, key, "again").Duplicate })
}

// onlyTableRemembers appends two records to a room, and waits until the log recognizes
// what was appended to the room before by nothing but its table.
func onlyTableRemembers(t *testing.T, l eventlog.Log, clock *servertest.Clock, room string) {
	t.Helper()
	put(t, l, room, "probe", "probe")
	clock.Set(eventlog.DedupeWindow + time.Minute)
	awaitForgotten(t, l, room, "probe")
	clock.Set(0)
}

func keyRememberedForADay(t *testing.T, open Open) {
	clock := &servertest.Clock{}
	l := opened(t, open, Options{Now: clock.Now})
	window, _ := l.Dedupe()
	if window != eventlog.DedupeWindow {
		t.Errorf("window: got %v, want %v", window, eventlog.DedupeWindow)
	}
	const within, beyond = eventlog.DedupeWindow - time.Minute, eventlog.DedupeWindow + time.Minute
	first := put(t, l, "x", "key", "one")
	onlyTableRemembers(t, l, clock, "x")
	clock.Set(within)
	if again := put(t, l, "x", "key", "again"); !again.Duplicate || again.Seq != first.Seq {
		t.Errorf("receipt after %v: got %+v, want a duplicate of %d", within, again, first.Seq)
	}
	clock.Set(beyond)
	if again := put(t, l, "x", "key", "again"); again.Duplicate || again.Seq <= first.Seq {
		t.Errorf("receipt after %v: got %+v, want a new place", beyond, again)
	}
	clock.Set(0)
	if again := put(t, l, "x", "key", "again"); !again.Duplicate || again.Seq <= first.Seq {
		t.Errorf("receipt after it was stored twice: got %+v, want a duplicate of the newer one", again)
	}
}

// With less memory than keys, the log remembers as many of the newest as it says.
func newestKeysRemembered(t *testing.T, open Open) {
	clock := &servertest.Clock{}
	l := opened(t, open, Options{KeyBytes: 4 << 10, Now: clock.Now})
	_, records := l.Dedupe()
	if records < 10 || records > 4<<10/8 {
		t.Fatalf("records whose keys fit: got %d, want some for 4 KB", records)
	}
	key := func(i int64) string { return fmt.Sprint("key-", i) }
	seqs := map[int64]uint64{}
	for i := range 5 * records {
		seqs[i] = put(t, l, "x", key(i), "first").Seq
	}
	onlyTableRemembers(t, l, clock, "x") // which takes two records
	for i := 4*records + 2; i < 5*records; i++ {
		if again := put(t, l, "x", key(i), "again"); !again.Duplicate || again.Seq != seqs[i] {
			t.Errorf("append %d of %d again: got %+v, want a duplicate of %d", i, 5*records, again, seqs[i])
		}
	}
	if again := put(t, l, "x", key(1), "again"); again.Duplicate {
		t.Errorf("append 1 of %d again: got %+v, want it stored, the memory is for %d", 5*records, again, records)
	}
}

// A record that is gone cannot be compared, so its key means nothing.
func keyForgottenWithRecord(t *testing.T, open Open) {
	clock := &servertest.Clock{}
	l := opened(t, open, Options{MaxRoomMessages: 3, Now: clock.Now})
	_, records := l.Dedupe()
	if records != 3 {
		t.Errorf("records whose keys are remembered: got %d, want 3", records)
	}
	seqs := map[int]uint64{}
	for i := range 5 {
		seqs[i] = put(t, l, "x", fmt.Sprint(i), "first").Seq
	}
	onlyTableRemembers(t, l, clock, "x") // of three records, two are its own now
	if again := put(t, l, "x", "4", "again"); !again.Duplicate || again.Seq != seqs[4] {
		t.Errorf("append of what is left: got %+v, want a duplicate of %d", again, seqs[4])
	}
	if again := put(t, l, "x", "1", "again"); again.Duplicate {
		t.Errorf("append of what is gone: got %+v, want it stored", again)
	}
}

func appendsKeepOrder(t *testing.T, open Open) {
	l := opened(t, open, Options{})
	const writers, each = 8, 100
	rooms := []string{"x", "y"}
	var mu sync.Mutex
	acked := map[string]string{} // by room and sequence
	var writing, settled sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				room, body := rooms[i%2], fmt.Sprintf("%d %d", w, i)
				settled.Add(1)
				err := l.Append(t.Context(), room, body, []byte(body), func(r eventlog.Receipt, err error) {
					defer settled.Done()
					if err != nil {
						t.Errorf("append %q: settled with %v, want no error", body, err)
					}
					mu.Lock()
					defer mu.Unlock()
					acked[fmt.Sprint(room, r.Seq)] += body
				})
				if err != nil {
					t.Errorf("append %q: got %v, want no error", body, err)
					settled.Done()
				}
			}
		})
	}
	writing.Wait()
	settled.Wait()
	found := 0
	for parity, room := range rooms {
		next := [writers]int{}
		for w := range next {
			next[w] = parity
		}
		for _, r := range readAll(t, l, room, 50) {
			found++
			if got := acked[fmt.Sprint(room, r.Seq)]; got != string(r.Body) {
				t.Errorf("%s at %d: got %q, acked was %q", room, r.Seq, r.Body, got)
			}
			var w, i int
			_, err := fmt.Sscanf(string(r.Body), "%d %d", &w, &i)
			if err != nil {
				t.Fatal(err)
			}
			if i != next[w] {
				t.Fatalf("%s, next of writer %d: got %d, want %d", room, w, i, next[w])
			}
			next[w] += 2
		}
	}
	if found != writers*each {
		t.Errorf("records: got %d, want %d", found, writers*each)
	}
}

// model is a room as it should be.
type model []eventlog.Record

func (m model) after(seq uint64) model {
	return m[sort.Search(len(m), func(i int) bool { return m[i].Seq > seq }):]
}

func (m model) before(seq uint64) model {
	if seq == 0 {
		return m
	}
	return m[:sort.Search(len(m), func(i int) bool { return m[i].Seq >= seq })]
}

func same(a, b eventlog.Record) bool { return a.Seq == b.Seq && string(a.Body) == string(b.Body) }

func readsAgreeWithModel(t *testing.T, open Open) {
	l := opened(t, open, Options{})
	random := rand.New(rand.NewPCG(1, 2))
	rooms := []string{"x", "y", "z"}
	models := map[string]model{}
	last := uint64(0)
	check := func(call string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: got %v, want no error", call, err)
		}
	}
	for step := range 1500 {
		room := rooms[random.IntN(2)]
		asked := rooms[random.IntN(3)] // z stays empty
		m, seq := models[asked], random.Uint64N(last+3)
		limit := 1 + random.IntN(60)
		switch random.IntN(8) {
		default:
			body := fmt.Sprintf("%d %0*d", step, 1+random.IntN(100), 0)
			r := put(t, l, room, body, body)
			models[room] = append(models[room], eventlog.Record{Room: room, Seq: r.Seq, Body: []byte(body)})
			last = max(last, r.Seq)
		case 0:
			got, err := l.Head(t.Context(), asked)
			check("Head", err)
			var want eventlog.Record
			if len(m) > 0 {
				want = m[len(m)-1]
			}
			if !same(got, want) {
				t.Fatalf("step %d, Head(%s): got %+v, want %+v", step, asked, got, want)
			}
		case 1:
			place, err := l.Locate(t.Context(), asked, seq)
			check("Locate", err)
			i := slices.IndexFunc(m, func(r eventlog.Record) bool { return r.Seq == seq })
			present := place.State == eventlog.Present
			if present != (i >= 0) || present && !same(place.Record, m[i]) {
				t.Fatalf("step %d, Locate(%s, %d): got %+v, want the record at %d of the model", step, asked, seq, place, i)
			}
		case 2:
			got, err := l.Count(t.Context(), asked, seq)
			check("Count", err)
			if want := len(m.after(seq)); got != want {
				t.Fatalf("step %d, Count(%s, %d): got %d, want %d", step, asked, seq, got, want)
			}
		case 3:
			page, err := l.After(t.Context(), asked, seq, limit, 0)
			check("After", err)
			want := m.after(seq)
			more := len(want) > limit
			want = want[:min(limit, len(want))]
			if !slices.EqualFunc(page.Records, want, same) || page.More != more || page.Gone {
				t.Fatalf("step %d, After(%s, %d, %d): got %d records, More %v, Gone %v, want %d, %v, false", step, asked, seq, limit, len(page.Records), page.More, page.Gone, len(want), more)
			}
		case 4:
			before := seq * uint64(random.IntN(2))
			page, err := l.Before(t.Context(), asked, before, limit, 0)
			check("Before", err)
			want := m.before(before)
			more := len(want) > limit
			want = want[max(0, len(want)-limit):]
			if !slices.EqualFunc(page.Records, want, same) || page.More != more || page.Gone {
				t.Fatalf("step %d, Before(%s, %d, %d): got %d records, More %v, Gone %v, want %d, %v, false", step, asked, before, limit, len(page.Records), page.More, page.Gone, len(want), more)
			}
		}
	}
}

// Sequences come from clients: the largest number is as good as any.
func readsBeyondTheEnd(t *testing.T, open Open) {
	l := opened(t, open, Options{})
	for i := range 10 {
		put(t, l, "x", fmt.Sprint(i), fmt.Sprint(i))
	}
	for _, seq := range []uint64{11, 1 << 40, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64 - 1, math.MaxUint64} {
		page, err := l.After(t.Context(), "x", seq, 100, 0)
		if err != nil || len(page.Records) > 0 || page.More {
			t.Errorf("After(%d): got %d records, More %v, %v, want none", seq, len(page.Records), page.More, err)
		}
		n, err := l.Count(t.Context(), "x", seq)
		if err != nil || n != 0 {
			t.Errorf("Count(%d): got %d, %v, want 0", seq, n, err)
		}
		place, err := l.Locate(t.Context(), "x", seq)
		if err != nil || place.State != eventlog.Beyond {
			t.Errorf("Locate(%d): got %+v, %v, want Beyond", seq, place, err)
		}
		page, err = l.Before(t.Context(), "x", seq, 3, 0)
		if err != nil || !page.More || !slices.Equal(bodies(page.Records), []string{"7", "8", "9"}) {
			t.Errorf("Before(%d): got %q, More %v, %v, want 7, 8, 9 and more", seq, bodies(page.Records), page.More, err)
		}
	}
}

func pageBounds(t *testing.T, open Open) {
	l := opened(t, open, Options{})
	for i := range 10 {
		put(t, l, "x", fmt.Sprint(i), fmt.Sprint(i)+strings.Repeat("x", 999))
	}
	for _, maxBytes := range []int{1, 1000, 3500} {
		page, err := l.After(t.Context(), "x", 0, 100, maxBytes)
		if err != nil || !page.More || len(page.Records) < 1 || len(page.Records) > maxBytes/1000+1 || page.Records[0].Body[0] != '0' {
			t.Errorf("After of %d bytes: got %d records, More %v, %v, want about %d from the first on, and more", maxBytes, len(page.Records), page.More, err, maxBytes/1000)
		}
		page, err = l.Before(t.Context(), "x", 0, 100, maxBytes)
		n := len(page.Records)
		if err != nil || !page.More || n < 1 || n > maxBytes/1000+1 || page.Records[n-1].Body[0] != '9' {
			t.Errorf("Before of %d bytes: got %d records, More %v, %v, want about %d up to the last, and more", maxBytes, n, page.More, err, maxBytes/1000)
		}
	}
}

func roomKeepsNewest(t *testing.T, open Open) {
	l := opened(t, open, Options{MaxRoomMessages: 3})
	put(t, l, "y", "other", "the other room is not touched")
	var receipts []eventlog.Receipt
	for i := range 5 {
		receipts = append(receipts, put(t, l, "x", fmt.Sprint(i), fmt.Sprint(i)))
	}
	page, err := l.After(t.Context(), "x", receipts[0].Seq, 10, 0)
	if err != nil || !page.Gone || !slices.Equal(bodies(page.Records), []string{"2", "3", "4"}) {
		t.Errorf("After the first: got %q, Gone %v, %v, want 2, 3, 4 and Gone", bodies(page.Records), page.Gone, err)
	}
	page, err = l.After(t.Context(), "x", receipts[2].Seq, 10, 0)
	if err != nil || page.Gone || !slices.Equal(bodies(page.Records), []string{"3", "4"}) {
		t.Errorf("After one that is there: got %q, Gone %v, %v, want 3, 4", bodies(page.Records), page.Gone, err)
	}
	page, err = l.Before(t.Context(), "x", 0, 10, 0)
	if err != nil || page.More || !slices.Equal(bodies(page.Records), []string{"2", "3", "4"}) {
		t.Errorf("Before: got %q, More %v, %v, want 2, 3, 4", bodies(page.Records), page.More, err)
	}
	place, err := l.Locate(t.Context(), "x", receipts[0].Seq)
	if err != nil || place.State != eventlog.Expired || place.First != receipts[2].Seq {
		t.Errorf("Locate of the first: got %+v, %v, want Expired, the first at %d", place, err, receipts[2].Seq)
	}
	n, err := l.Count(t.Context(), "y", 0)
	if err != nil || n != 1 {
		t.Errorf("Count of the other room: got %d, %v, want 1", n, err)
	}
}

func locate(t *testing.T, open Open) {
	l := opened(t, open, Options{})
	before := &recorder{}
	sub, err := l.Subscribe(t.Context(), "x", before)
	if err != nil {
		t.Fatal(err)
	}
	sub.Close()
	first := put(t, l, "x", "1", "one")
	for _, test := range []struct {
		room string
		seq  uint64
		want eventlog.PlaceState
	}{
		{"x", first.Seq, eventlog.Present},
		{"x", 0, eventlog.Absent},
		{"x", before.started.Seq, eventlog.Absent}, // a place before the first record
		{"y", 0, eventlog.Absent},
		{"x", first.Seq + 1000, eventlog.Beyond},
	} {
		place, err := l.Locate(t.Context(), test.room, test.seq)
		if err != nil || place.State != test.want {
			t.Errorf("Locate(%s, %d): got %+v, %v, want %v", test.room, test.seq, place, err, test.want)
		}
	}
}

// recorder is a subscriber that keeps what it gets.
type recorder struct {
	mu      sync.Mutex
	epoch   string
	started eventlog.Record
	starts  int
	got     []eventlog.Record
	skips   []uint64
	flushes int
}

func (r *recorder) Start(epoch string, head eventlog.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.epoch, r.started = epoch, head
	r.starts++
}

func (r *recorder) Append(record eventlog.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, record)
}

func (r *recorder) Skip(seq uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.skips = append(r.skips, seq)
}

func (r *recorder) Flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flushes++
}

func (r *recorder) Reset(string)  {}
func (r *recorder) Signal([]byte) {}

// reached reports that the subscriber has been told of everything up to seq.
func (r *recorder) reached(seq uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.started.Seq
	if len(r.got) > 0 {
		last = max(last, r.got[len(r.got)-1].Seq)
	}
	for _, skipped := range r.skips {
		last = max(last, skipped)
	}
	return last >= seq && r.flushes > 0
}

func subscriberGetsAll(t *testing.T, open Open) {
	l := opened(t, open, Options{})
	const writers, each = 4, 100
	put(t, l, "x", "first", "first")
	var mu sync.Mutex
	acked := map[uint64]string{}
	newest := uint64(0)
	var writing, settled sync.WaitGroup
	subscribed := make(chan struct{})
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				if i == each/2 {
					<-subscribed
				}
				body := fmt.Sprintf("%d %d", w, i)
				settled.Add(1)
				err := l.Append(t.Context(), "x", body, []byte(body), func(r eventlog.Receipt, err error) {
					defer settled.Done()
					mu.Lock()
					defer mu.Unlock()
					if err != nil {
						t.Errorf("append %q: settled with %v, want no error", body, err)
					}
					acked[r.Seq] = body
					newest = max(newest, r.Seq)
				})
				if err != nil {
					t.Errorf("append %q: got %v, want no error", body, err)
					settled.Done()
				}
			}
		})
	}
	s := &recorder{}
	sub, err := l.Subscribe(t.Context(), "x", s) // while they write
	close(subscribed)
	if err != nil {
		t.Fatal(err)
	}
	writing.Wait()
	settled.Wait()
	servertest.Eventually(t, "the subscriber has everything", func() bool { return s.reached(newest) })
	sub.Close()
	last := s.started.Seq
	for _, r := range s.got {
		if r.Seq <= last || r.Room != "x" || string(r.Body) != acked[r.Seq] {
			t.Fatalf("record after %d: got %d %q of %s, want a later one that is %q of x", last, r.Seq, r.Body, r.Room, acked[r.Seq])
		}
		last = r.Seq
	}
	seen := map[uint64]bool{}
	for _, r := range s.got {
		seen[r.Seq] = true
	}
	skipped := uint64(0)
	for _, seq := range s.skips {
		skipped = max(skipped, seq)
	}
	for seq, body := range acked {
		if seq > max(s.started.Seq, skipped) && !seen[seq] {
			t.Errorf("record %d %q: got nothing, want it delivered or skipped", seq, body)
		}
	}
}

func subscriptionBeginsAtHead(t *testing.T, open Open) {
	l := opened(t, open, Options{})
	empty := &recorder{}
	_, err := l.Subscribe(t.Context(), "empty", empty)
	if err != nil {
		t.Fatal(err)
	}
	if empty.starts != 1 || empty.started.Body != nil || empty.epoch != l.Epoch("empty") {
		t.Errorf("Start of an empty room: got %d calls, %+v, epoch %q, want 1, no body, %q", empty.starts, empty.started, empty.epoch, l.Epoch("empty"))
	}
	first := put(t, l, "empty", "first", "first")
	if first.Seq <= empty.started.Seq {
		t.Errorf("first sequence: got %d, want one beyond %d", first.Seq, empty.started.Seq)
	}
	servertest.Eventually(t, "the first record is delivered", func() bool { return empty.reached(first.Seq) })

	newest := put(t, l, "x", "x", "newest")
	full := &recorder{}
	_, err = l.Subscribe(t.Context(), "x", full)
	if err != nil {
		t.Fatal(err)
	}
	if full.started.Seq != newest.Seq || string(full.started.Body) != "newest" {
		t.Errorf("Start: got %+v, want the record at %d", full.started, newest.Seq)
	}
}

func nothingAfterClose(t *testing.T, open Open) {
	l := opened(t, open, Options{})
	first, second := &recorder{}, &recorder{}
	sub, err := l.Subscribe(t.Context(), "x", first)
	if err != nil {
		t.Fatal(err)
	}
	sub.Close()
	sub.Close() // is allowed
	sub, err = l.Subscribe(t.Context(), "x", second)
	if err != nil {
		t.Fatalf("Subscribe again: got %v, want no error", err)
	}
	defer sub.Close()
	r := put(t, l, "x", "key", "body")
	servertest.Eventually(t, "the second subscriber has the record", func() bool { return second.reached(r.Seq) })
	if len(first.got)+len(first.skips)+first.flushes != 0 {
		t.Errorf("after Close: got %d records, %d skips, %d flushes, want none", len(first.got), len(first.skips), first.flushes)
	}
}

func subscriptionIsTrusted(t *testing.T, open Open) {
	l := opened(t, open, Options{})
	s := &recorder{}
	sub, err := l.Subscribe(t.Context(), "x", s)
	if err != nil {
		t.Fatal(err)
	}
	if !sub.Trusted() {
		t.Errorf("Trusted after Subscribe: got false, want true")
	}
	r := put(t, l, "x", "key", "body")
	servertest.Eventually(t, "the subscription is trusted", func() bool { return s.reached(r.Seq) && sub.Trusted() })
	l.Close()
	servertest.Eventually(t, "a subscription of a closed log is not trusted", func() bool { return !sub.Trusted() })
}

func recentRooms(t *testing.T, open Open) {
	l := opened(t, open, Options{})
	rooms := func(since eventlog.Mark) (names []string, mark eventlog.Mark) {
		t.Helper()
		newest := map[string]string{}
		mark, err := l.RecentRooms(t.Context(), since, func(r eventlog.Record) { newest[r.Room] = string(r.Body) })
		if err != nil {
			t.Fatal(err)
		}
		for room, body := range newest {
			names = append(names, room+" "+body)
		}
		slices.Sort(names)
		return names, mark
	}
	_, start := rooms(nil)
	put(t, l, "a", "a1", "old")
	put(t, l, "a", "a2", "new")
	put(t, l, "b", "b1", "only")
	names, mark := rooms(start)
	if want := []string{"a new", "b only"}; !slices.Equal(names, want) {
		t.Errorf("RecentRooms: got %q, want %q", names, want)
	}
	names, mark = rooms(mark)
	if len(names) != 0 {
		t.Errorf("RecentRooms since then: got %q, want none", names)
	}
	put(t, l, "c", "c1", "late")
	names, _ = rooms(mark)
	if want := []string{"c late"}; !slices.Equal(names, want) {
		t.Errorf("RecentRooms since then: got %q, want %q", names, want)
	}
}

// However many rooms there are, and however much was appended since the mark.
func manyRooms(t *testing.T, open Open) {
	l := opened(t, open, Options{})
	const rooms = 2500
	name := func(i int) string { return fmt.Sprintf("room-%04d", i) }
	fill := func(rooms, first, records int) {
		t.Helper()
		settled := make(chan error, records)
		for i := range records {
			body := fmt.Append(nil, first+i)
			err := l.Append(t.Context(), name((first+i)%rooms), fmt.Sprint("key-", first+i), body, func(_ eventlog.Receipt, err error) { settled <- err })
			if err != nil {
				t.Fatal(err)
			}
		}
		for range records {
			if err := <-settled; err != nil {
				t.Fatal(err)
			}
		}
	}
	since := func(mark eventlog.Mark) (map[string]string, eventlog.Mark) {
		t.Helper()
		newest := map[string]string{}
		mark, err := l.RecentRooms(t.Context(), mark, func(r eventlog.Record) { newest[r.Room] = string(r.Body) })
		if err != nil {
			t.Fatal(err)
		}
		return newest, mark
	}
	check := func(what string, newest map[string]string, count int) {
		t.Helper()
		if len(newest) != count {
			t.Errorf("%s: got %d rooms, want %d", what, len(newest), count)
		}
	}
	fill(rooms, 0, rooms)
	newest, mark := since(nil)
	check("a record in each", newest, rooms)
	fill(rooms, rooms, 10)
	newest, mark = since(mark)
	check("ten more", newest, 10)
	fill(rooms, 2*rooms, 3*rooms) // more than is read one by one
	newest, mark = since(mark)
	check("three more in each", newest, rooms)
	for i := range rooms {
		if got, want := newest[name(i)], fmt.Sprint(4*rooms+i); got != want {
			t.Fatalf("%s: got the record %s, want %s", name(i), got, want)
		}
	}
	newest, _ = since(mark)
	check("no more", newest, 0)
}

func expiredRooms(t *testing.T, open Open) {
	l := opened(t, open, Options{MaxRoomMessages: 2})
	old := put(t, l, "a", "a1", "old")
	put(t, l, "a", "a2", "new")
	newest := put(t, l, "a", "a3", "newest")
	mark, err := l.RecentRooms(t.Context(), nil, func(eventlog.Record) {})
	if err != nil {
		t.Fatal(err)
	}
	if !l.Expired(mark, "a", old.Seq) {
		t.Error("a room whose newest record is gone: got it kept, want it expired")
	}
	if l.Expired(mark, "a", newest.Seq) {
		t.Error("a room that has records: got it expired, want it kept")
	}
}

func firstValueWins(t *testing.T, open Open) {
	l := opened(t, open, Options{})
	values := l.Values(eventlog.Server)
	got := make(chan string, 8)
	for i := range cap(got) {
		go func() {
			v, err := values.Update(t.Context(), "", "key", func(old []byte) ([]byte, bool) {
				return fmt.Append(nil, "made by ", i), old == nil
			})
			got <- fmt.Sprint(string(v), err)
		}()
	}
	first := take(t, got, "a value")
	for range cap(got) - 1 {
		if v := take(t, got, "a value"); v != first {
			t.Errorf("value: got %q, want %q", v, first)
		}
	}
	v, err := values.Get(t.Context(), "", "other")
	if v != nil || err != nil {
		t.Errorf("a value that was never put: got %q, %v, want nil", v, err)
	}
}

func noUpdateIsLost(t *testing.T, open Open) {
	l := opened(t, open, Options{})
	values := l.Values(eventlog.Rooms)
	var all sync.WaitGroup
	const updates = 20
	for range updates {
		all.Go(func() {
			_, err := values.Update(t.Context(), "x", "count", func(old []byte) ([]byte, bool) { return append(slices.Clone(old), 'x'), true })
			if err != nil {
				t.Errorf("Update: got %v, want no error", err)
			}
		})
	}
	all.Wait()
	v, err := values.Get(t.Context(), "x", "count")
	if err != nil || len(v) != updates {
		t.Errorf("value: got %d updates, %v, want %d", len(v), err, updates)
	}
}

// Whatever an owner is made of, no other owner has its values.
func anyOwner(t *testing.T, open Open) {
	l := opened(t, open, Options{})
	values := l.Values(eventlog.Users)
	owners := []string{"ann", "Ann", "ann@example.com", "ann.name", "*", ">", "an n", "=YW5u", "日本", "ann\x00", "auth0|5f7c", strings.Repeat("x@", 64)}
	told := make(chan string, 2*len(owners))
	err := values.Watch("watched", func(owner string, value []byte) { told <- owner + " " + string(value) })
	if err != nil {
		t.Fatal(err)
	}
	for i, owner := range owners {
		for _, key := range []string{"name", "watched"} {
			err := values.Put(t.Context(), owner, key, fmt.Append(nil, i))
			if err != nil {
				t.Fatalf("Put for %q: got %v, want no error", owner, err)
			}
		}
	}
	for i, owner := range owners {
		v, err := values.Get(t.Context(), owner, "name")
		if err != nil || string(v) != fmt.Sprint(i) {
			t.Errorf("Get for %q: got %q, %v, want %d", owner, v, err, i)
		}
		if got, want := take(t, told, "what is watched"), fmt.Sprint(owner, " ", i); got != want {
			t.Errorf("watched: got %q, want %q", got, want)
		}
	}
}

func invalidRooms(t *testing.T, open Open) {
	l := opened(t, open, Options{})
	put(t, l, "x", "key", "body")
	ctx := t.Context()
	for _, room := range []string{"*", ">", "a.b", "", "a b", "A", "x\n", strings.Repeat("x", 65)} {
		_, afterErr := l.After(ctx, room, 0, 1, 0)
		_, beforeErr := l.Before(ctx, room, 0, 1, 0)
		_, headErr := l.Head(ctx, room)
		_, locateErr := l.Locate(ctx, room, 1)
		_, countErr := l.Count(ctx, room, 0)
		_, subscribeErr := l.Subscribe(ctx, room, &recorder{})
		for call, err := range map[string]error{
			"Append": l.Append(ctx, room, "key", []byte("body"), func(eventlog.Receipt, error) { t.Errorf("Append(%q): done was called", room) }),
			"After":  afterErr, "Before": beforeErr, "Head": headErr, "Locate": locateErr, "Count": countErr, "Subscribe": subscribeErr,
		} {
			var refused *shared.Error
			if !errors.As(err, &refused) || refused.Code != shared.CodeBadRoom {
				t.Errorf("%s(%q): got %v, want bad_room", call, room, err)
			}
		}
	}
}

func unavailableAfterClose(t *testing.T, open Open) {
	l := opened(t, open, Options{})
	put(t, l, "x", "key", "body")
	sub, err := l.Subscribe(t.Context(), "x", &recorder{})
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	l.Close() // is allowed
	sub.Close()

	ctx, cancel := context.WithTimeout(context.Background(), servertest.Patience)
	defer cancel()
	values := l.Values(eventlog.Users)
	for call, err := range map[string]error{
		"Append":    l.Append(ctx, "x", "after", []byte("body"), func(eventlog.Receipt, error) { t.Error("Append: done was called") }),
		"After":     second(l.After(ctx, "x", 0, 1, 0)),
		"Before":    second(l.Before(ctx, "x", 0, 1, 0)),
		"Head":      second(l.Head(ctx, "x")),
		"Locate":    second(l.Locate(ctx, "x", 1)),
		"Count":     second(l.Count(ctx, "x", 0)),
		"Subscribe": second(l.Subscribe(ctx, "y", &recorder{})),
		"Get":       second(values.Get(ctx, "user", "name")),
		"Put":       values.Put(ctx, "user", "name", nil),
		"Update":    second(values.Update(ctx, "user", "name", func([]byte) ([]byte, bool) { return nil, true })),
		"Watch":     values.Watch("name", func(string, []byte) {}),
		"Ready":     l.Ready(ctx),
	} {
		if !errors.Is(err, eventlog.ErrUnavailable) {
			t.Errorf("%s: got %v, want ErrUnavailable", call, err)
		}
	}
	_, err = l.RecentRooms(ctx, nil, func(eventlog.Record) {})
	if !errors.Is(err, eventlog.ErrUnavailable) {
		t.Errorf("RecentRooms: got %v, want ErrUnavailable", err)
	}
	if ctx.Err() != nil {
		t.Errorf("the calls did not return within %v, want them to fail at once", servertest.Patience)
	}
}

func second[T any](_ T, err error) error { return err }

func closeSettlesAppends(t *testing.T, open Open) {
	l := opened(t, open, Options{})
	var mu sync.Mutex
	taken, settled := 0, 0
	for i := range 300 {
		body := fmt.Sprint(i)
		err := l.Append(t.Context(), "x", body, []byte(body), func(eventlog.Receipt, error) {
			mu.Lock()
			defer mu.Unlock()
			settled++
		})
		if err != nil {
			t.Fatal(err)
		}
		taken++
	}
	l.Close()
	mu.Lock()
	defer mu.Unlock()
	if settled != taken {
		t.Errorf("settled appends: got %d, want the %d that were taken", settled, taken)
	}
}

func ownEpoch(t *testing.T, open Open) {
	one, two := opened(t, open, Options{}), opened(t, open, Options{})
	if one.Epoch("x") == "" || one.Epoch("x") == two.Epoch("x") {
		t.Errorf("epochs of two logs: got %q and %q, want two", one.Epoch("x"), two.Epoch("x"))
	}
}
