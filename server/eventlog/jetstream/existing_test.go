package jetstream_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"websockets/server/eventlog"
	"websockets/server/eventlog/jetstream"
	"websockets/server/servertest"
)

// connect returns a client of NATS as another program has it.
func connect(t *testing.T, url string, options ...nats.Option) natsjs.JetStream {
	t.Helper()
	conn, err := nats.Connect(url, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := natsjs.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// streamsOf returns the configurations of all streams.
func streamsOf(t *testing.T, js natsjs.JetStream) map[string]natsjs.StreamConfig {
	t.Helper()
	all := map[string]natsjs.StreamConfig{}
	list := js.ListStreams(t.Context())
	for info := range list.Info() {
		info.Config.Metadata = marks(info.Config.Metadata)
		all[info.Config.Name] = info.Config
	}
	if list.Err() != nil {
		t.Fatal(list.Err())
	}
	return all
}

// marks leaves out of metadata what NATS adds.
func marks(metadata map[string]string) map[string]string {
	ours := maps.Clone(metadata)
	maps.DeleteFunc(ours, func(key, _ string) bool { return strings.HasPrefix(key, "_nats.") })
	if len(ours) == 0 {
		return nil
	}
	return ours
}

func same(a, b map[string]natsjs.StreamConfig) bool {
	return maps.EqualFunc(a, b, func(a, b natsjs.StreamConfig) bool {
		return a.Replicas == b.Replicas && a.MaxBytes == b.MaxBytes && a.MaxMsgsPerSubject == b.MaxMsgsPerSubject &&
			slices.Equal(a.Subjects, b.Subjects) && (a.RePublish == nil) == (b.RePublish == nil) && maps.Equal(a.Metadata, b.Metadata)
	})
}

func createBucket(t *testing.T, js natsjs.JetStream, c natsjs.KeyValueConfig) {
	t.Helper()
	_, err := js.CreateKeyValue(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
}

func createStream(t *testing.T, js natsjs.JetStream, c natsjs.StreamConfig) {
	t.Helper()
	_, err := js.CreateStream(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
}

// What another program has under names or subjects of ours is left alone, and the error
// says what to do.
func TestForeignNamesAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		create func(natsjs.JetStream)
		want   string
	}{
		"bucket": {
			func(js natsjs.JetStream) { createBucket(t, js, natsjs.KeyValueConfig{Bucket: "websockets_users"}) },
			"the bucket websockets_users was not made by this program and is left alone: choose another --nats-prefix",
		},
		"stream with other subjects": {
			func(js natsjs.JetStream) {
				createStream(t, js, natsjs.StreamConfig{Name: "websockets_ROOMS_2", Subjects: []string{"other.*"}})
			},
			"the stream websockets_ROOMS_2 was not made by this program and is left alone: choose another --nats-prefix",
		},
		"stream with our subjects": {
			func(js natsjs.JetStream) {
				createStream(t, js, natsjs.StreamConfig{Name: "websockets_ROOMS_0", Subjects: []string{"websockets.room.0.*"}})
			},
			"the stream websockets_ROOMS_0 was not made by this program",
		},
		"subjects": {
			func(js natsjs.JetStream) {
				createStream(t, js, natsjs.StreamConfig{Name: "everything", Subjects: []string{"websockets.>"}})
			},
			"the stream everything takes the subjects websockets.room.> of this program: choose another --nats-prefix",
		},
		"mark of another prefix": {
			func(js natsjs.JetStream) {
				createBucket(t, js, natsjs.KeyValueConfig{Bucket: "websockets_server", Metadata: map[string]string{"websockets-prefix": "den"}})
			},
			"the bucket websockets_server belongs to a store with another prefix: start with --nats-prefix=den",
		},
	} {
		t.Run(name, func(t *testing.T) {
			nats := startNATS(t, 1)
			js := connect(t, nats.URL())
			c.create(js)
			before := streamsOf(t, js)
			l, err := tryOpen(t, "", on(nats), apply)
			if err == nil {
				l.Close()
				t.Fatal("got a log, want an error")
			}
			if !strings.Contains(err.Error(), c.want) || errors.Is(err, jetstream.ErrUnavailable) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if after := streamsOf(t, js); !same(after, before) {
				t.Errorf("streams: got %+v, want %+v as before", after, before)
			}
			other := open(t, "", on(nats), func(o *jetstream.Options) { o.Prefix = "chat" })
			put(t, other, "x", "key", "with another prefix")
		})
	}
}

// Names that version 0.1.0 used are other programs' too. They are no reason to refuse.
func TestOldNamesOfOthersAreLeftAlone(t *testing.T) {
	t.Parallel()
	nats := startNATS(t, 1)
	js := connect(t, nats.URL())
	for _, name := range []string{"server", "users", "rooms", "session"} {
		createBucket(t, js, natsjs.KeyValueConfig{Bucket: name, History: 5})
	}
	createStream(t, js, natsjs.StreamConfig{Name: "ROOMS_0", Subjects: []string{"hotel.*"}})
	createStream(t, js, natsjs.StreamConfig{Name: "ROOMS_1", Subjects: []string{"room.1.*"}}) // republishes nothing
	before := streamsOf(t, js)
	l := open(t, "", on(nats), apply, func(o *jetstream.Options) { o.MaxRoomMessages = 3 })
	fillRooms(t, l)
	err := l.Values(eventlog.Users).Put(t.Context(), "user", "name", []byte("Ada"))
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	after := streamsOf(t, js)
	maps.DeleteFunc(after, func(name string, _ natsjs.StreamConfig) bool { return strings.Contains(name, "websockets_") })
	if !same(after, before) {
		t.Errorf("other programs' streams: got %+v, want %+v as before", after, before)
	}
}

// oldStore copies the data of version 0.1.0 to NATS. It returns the messages of each
// stream.
func oldStore(t *testing.T, js natsjs.JetStream, replicas int) (messages map[string]uint64) {
	t.Helper()
	dir := t.TempDir()
	err := servertest.Unpack("../../e2e/testdata/data-v0.1.0.tar.gz", dir)
	if err != nil {
		t.Fatal(err)
	}
	embedded, err := natsserver.NewServer(&natsserver.Options{DontListen: true, NoSigs: true, JetStream: true, StoreDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	embedded.Start()
	defer embedded.WaitForShutdown()
	defer embedded.Shutdown()
	if !embedded.ReadyForConnections(servertest.Patience) {
		t.Fatal("NATS did not start on the old data")
	}
	from := connect(t, "", nats.InProcessServer(embedded))
	messages = map[string]uint64{}
	for name, config := range streamsOf(t, from) {
		old, err := from.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		config.Replicas, config.AllowAtomicPublish = replicas, false
		createStream(t, js, config)
		state := old.CachedInfo().State
		for seq := max(1, state.FirstSeq); seq <= state.LastSeq; seq++ {
			m, err := old.GetMsg(t.Context(), seq)
			if errors.Is(err, natsjs.ErrMsgNotFound) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			_, err = js.PublishMsg(t.Context(), &nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data})
			if err != nil {
				t.Fatal(err)
			}
		}
		messages[name] = state.Msgs
	}
	return messages
}

// A whole store of version 0.1.0 on three servers is adopted: it keeps its names, its
// replicas and all that is in it, and what it lacks is created beside it.
func TestAdoption(t *testing.T) {
	t.Parallel()
	nats := startNATS(t, 3)
	js := connect(t, nats.URL())
	messages := oldStore(t, js, 3)
	createBucket(t, js, natsjs.KeyValueConfig{Bucket: "rooms", Description: "hotel"}) // another program's
	before := streamsOf(t, js)

	var log, again journal
	l := open(t, "", on(nats), log.all)
	if log.lines("adopted a store of version 0.1.0 under its old names", "KV_server", "ROOMS_3") != 1 {
		t.Errorf("the log: got\n%s\nwant one line about adoption", &log)
	}
	if log.lines("level=ERROR") > 0 {
		t.Errorf("the log: got\n%s\nwant no error", &log)
	}
	if log.lines("setting=--replicas store=3 wanted=1") != 1 || l.Replicas() != 3 {
		t.Errorf("replicas: got %d, want 3, and one line about them in\n%s", l.Replicas(), &log)
	}
	if n := len(readAll(t, l, "general")) + len(readAll(t, l, "den")); n != 20 {
		t.Errorf("messages: got %d, want 20", n)
	}
	epoch := l.Epoch("general")
	put(t, l, "general", "new", "and on")
	err := l.Values(eventlog.Rooms).Put(t.Context(), "general", "topic", []byte("new"))
	if err != nil {
		t.Error(err)
	}
	l.Close()

	after := streamsOf(t, js)
	for name, was := range before {
		is := after[name]
		isOurs := name != "KV_rooms"
		if is.Replicas != was.Replicas || is.MaxBytes != was.MaxBytes || !slices.Equal(is.Subjects, was.Subjects) {
			t.Errorf("%s: got %+v, want %+v as before", name, is, was)
		}
		if (is.Metadata["websockets-prefix"] == "websockets") != isOurs {
			t.Errorf("mark of %s: got %v, want one: %v", name, is.Metadata, isOurs)
		}
		_, wasOld := messages[name]
		if isOurs != wasOld {
			t.Errorf("%s: want it to be of the old store: %v", name, wasOld)
		}
	}
	delete(after, "KV_websockets_rooms")
	if len(after) != len(before) {
		t.Errorf("streams: got %v, want those from before and KV_websockets_rooms", slices.Sorted(maps.Keys(after)))
	}

	l = open(t, "", on(nats), again.all)
	if l.Epoch("general") != epoch || again.lines("adopted") > 0 {
		t.Errorf("the next start: got epoch %s, want %s, and no adoption in\n%s", l.Epoch("general"), epoch, &again)
	}
	if topic, err := l.Values(eventlog.Rooms).Get(t.Context(), "general", "topic"); err != nil || string(topic) != "new" {
		t.Errorf("topic: got %q, %v, want new", topic, err)
	}

	other := open(t, "", on(nats), again.all, func(o *jetstream.Options) { o.Prefix = "other" })
	if n := len(readAll(t, other, "general")); n != 0 || again.lines("adopted") > 0 {
		t.Errorf("messages with another prefix: got %d, want none, and no adoption in\n%s", n, &again)
	}
}

// A part of an old store is not adopted: the server could not tell what is missing.
func TestAPartIsNotAdopted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		remove func(natsjs.JetStream) error
		want   string
	}{
		"no bucket": {func(js natsjs.JetStream) error { return js.DeleteKeyValue(t.Context(), "users") }, "without the bucket users"},
		"no stream": {func(js natsjs.JetStream) error { return js.DeleteStream(t.Context(), "ROOMS_1") }, "without the stream ROOMS_1"},
		"no last stream": {
			func(js natsjs.JetStream) error { return js.DeleteStream(t.Context(), "ROOMS_3") }, "with 3 streams instead of 4",
		},
		"a bucket of another program": {
			func(js natsjs.JetStream) error {
				err := js.DeleteKeyValue(t.Context(), "server")
				createBucket(t, js, natsjs.KeyValueConfig{Bucket: "server"})
				return err
			}, "without the bucket server",
		},
	} {
		t.Run(name, func(t *testing.T) {
			nats := startNATS(t, 1)
			js := connect(t, nats.URL())
			oldStore(t, js, 1)
			err := c.remove(js)
			if err != nil {
				t.Fatal(err)
			}
			before := streamsOf(t, js)
			l, err := tryOpen(t, "", on(nats))
			if err == nil {
				l.Close()
				t.Fatal("got a log, want an error")
			}
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "start a new store with --nats-prefix") {
				t.Errorf("got %v, want %s, and what to do", err, c.want)
			}
			if after := streamsOf(t, js); !same(after, before) {
				t.Errorf("streams: got %+v, want %+v as before", after, before)
			}
		})
	}
}

// Settings that the log cannot do without are changed by ApplySettings only.
func TestUnusableSettingsAreRefused(t *testing.T) {
	t.Parallel()
	nats := startNATS(t, 1)
	js := connect(t, nats.URL())
	l := open(t, "", on(nats))
	put(t, l, "x", "1", "stored")
	l.Close()
	config := streamsOf(t, js)["websockets_ROOMS_0"]
	config.AllowDirect = false
	_, err := js.UpdateStream(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	l, err = tryOpen(t, "", on(nats))
	if err == nil {
		l.Close()
		t.Fatal("got a log, want an error")
	}
	if !strings.Contains(err.Error(), "websockets_ROOMS_0") || !strings.Contains(err.Error(), "start once with --apply-settings") {
		t.Errorf("got %v, want the stream and what to do", err)
	}
	l = open(t, "", on(nats), apply)
	if got := bodies(readAll(t, l, "x")); !slices.Equal(got, []string{"stored"}) {
		t.Errorf("messages: got %q, want stored", got)
	}
}

// Settings that no flag has are compared too. A stream in memory stays there.
func TestSettingsWithoutAFlag(t *testing.T) {
	t.Parallel()
	nats := startNATS(t, 1)
	js := connect(t, nats.URL())
	l := open(t, "", on(nats))
	l.Close()
	config := streamsOf(t, js)["websockets_ROOMS_0"]
	config.Discard, config.Duplicates, config.MaxMsgs = natsjs.DiscardNew, time.Minute, 1000
	_, err := js.UpdateStream(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	var log, errors journal
	l = open(t, "", on(nats), log.all)
	for _, want := range []string{
		`setting="messages of a shard" store=1000 wanted="no limit"`,
		`setting="when it is full" store="new ones are refused" wanted="the oldest are deleted"`,
		`setting="duplicates are detected for" store=1m0s wanted=2m0s`,
	} {
		if log.lines("level=WARN", want) != 1 {
			t.Errorf("the log: got\n%s\nwant one line with %s", &log, want)
		}
	}
	l.Close()
	l = open(t, "", on(nats), apply)
	l.Close()
	if is := streamsOf(t, js)["websockets_ROOMS_0"]; is.Discard != natsjs.DiscardOld || is.Duplicates != 2*time.Minute || is.MaxMsgs != -1 {
		t.Errorf("applied: got %+v, want what is wanted", is)
	}

	err = js.DeleteStream(t.Context(), config.Name)
	if err != nil {
		t.Fatal(err)
	}
	config.Storage, config.Discard, config.MaxMsgs, config.Duplicates = natsjs.MemoryStorage, natsjs.DiscardOld, -1, 2*time.Minute
	createStream(t, js, config)
	l = open(t, "", on(nats), errors.all)
	if errors.lines("setting=storage store=memory wanted=file") != 1 {
		t.Errorf("the log: got\n%s\nwant one line about the storage", &errors)
	}
	l.Close()
	l, err = tryOpen(t, "", on(nats), apply)
	if err == nil {
		l.Close()
		t.Fatal("applying to a stream in memory: got a log, want an error")
	}
	if want := "the stream websockets_ROOMS_0 is kept in memory, which NATS cannot change: start without --apply-settings"; !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Two servers with different settings that make a store at the same time have the same
// one in the end.
func TestTwoServersMakeOneStore(t *testing.T) {
	t.Parallel()
	nats := startNATS(t, 1)
	logs, errs := make([]*jetstream.Log, 4), make([]error, 4)
	var wg sync.WaitGroup
	for i := range logs {
		wg.Go(func() {
			logs[i], errs[i] = tryOpen(t, "", on(nats), jetstream.WithShards(4), func(o *jetstream.Options) { o.MaxRoomMessages = int64(i % 2 * 3) })
		})
	}
	wg.Wait()
	for _, l := range logs {
		if l != nil {
			t.Cleanup(l.Close)
		}
	}
	err := errors.Join(errs...)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range logs {
		if l.Epoch("x") != logs[0].Epoch("x") {
			t.Errorf("epoch of server %d: got %s, want %s", i, l.Epoch("x"), logs[0].Epoch("x"))
		}
	}
}
