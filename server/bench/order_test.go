package bench

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"websockets/shared"
)

// The messages of a case are written as sender, number, @ and sequence; a and b are
// senders.
func TestOrder(t *testing.T) {
	for name, c := range map[string]struct {
		messages                  string
		lost, doubled, misordered int
	}{
		"all":                    {"a0@3 b0@4 a1@7 b1@9", 0, 0, 0},
		"nothing":                {"", 4, 0, 0},
		"one lost":               {"a0@3 b0@4 b1@9", 1, 0, 0},
		"one lost in between":    {"b0@4 a1@7 b1@9", 1, 0, 0},
		"one twice":              {"a0@3 b0@4 b0@4 a1@7 b1@9", 0, 1, 0},
		"one twice, numbered":    {"a0@3 b0@4 b0@5 a1@7 b1@9", 0, 1, 0},
		"one late":               {"b0@4 a1@7 a0@3 b1@9", 0, 0, 1},
		"one late, and again":    {"b0@4 a1@7 a0@3 a0@3 b1@9", 0, 1, 1},
		"two senders exchanged":  {"b0@4 a0@3 a1@7 b1@9", 0, 0, 1},
		"the sequence stands":    {"a0@3 b0@4 a1@4 b1@9", 0, 0, 1},
		"unacked is not awaited": {"a0@3 b0@4 b1@9 UNACKED", 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			o := order{next: make([]uint32, 2)}
			messages, isUnacked := strings.CutSuffix(c.messages, " UNACKED")
			for _, m := range strings.Fields(messages) {
				o.take(place{int(m[0] - 'a'), uint32(m[1] - '0')}, uint64(m[3]-'0'))
			}
			lost := o.lost(0, 2, map[uint32]bool{1: isUnacked}) + o.lost(1, 2, nil)
			if lost != c.lost || o.doubled != c.doubled || o.misordered != c.misordered {
				t.Errorf("%d lost, %d doubled, %d misordered; want %+v", lost, o.doubled, o.misordered, c)
			}
		})
	}
}

// If nearly all messages are lost, all of them are counted, but only a limited number is
// remembered.
func TestOrderIsBounded(t *testing.T) {
	o := order{next: make([]uint32, 1)}
	const lost = 5 * maxMissing
	if first := o.take(place{0, lost}, 1); first != lost+1 {
		t.Errorf("%d messages are seen to, want %d", first, lost+1)
	}
	if n := o.lost(0, lost+1, nil) + o.beyond; n != lost || len(o.missing) > maxMissing {
		t.Errorf("%d lost, %d remembered, want %d and at most %d", n, len(o.missing), lost, maxMissing)
	}
}

// scan finds the same as decoding, whatever a name or an id contains. scanAck finds the
// sequence and the number of an ack.
func TestScan(t *testing.T) {
	const run, size = "k3x9a7qp", 60
	due := 1234 * time.Millisecond
	message := shared.Message{
		Seq: 907, ID: idOf(run, 31, 42), Room: "bench-x-0", User: "u", Message: textOf(run, 31, 42, due, size), Sent: time.Now(),
		From: `"message":"k3x9a7qp ffff","seq":1,`,
	}
	frame := shared.NewMessage.Frame("", message)
	want := delivery{seq: 907, sender: 31, number: 42, due: due}
	if d, ok := scan(frame, run, size); !ok || d != want {
		t.Errorf("scan: got %+v, %v in %s, want %+v", d, ok, frame, want)
	}
	if d, m, ok := decode(frame, run); !ok || d != want || m.ID != message.ID {
		t.Errorf("decode: got %+v, %v in %s, want %+v", d, ok, frame, want)
	}
	for name, other := range map[string]string{
		"another size":  string(shared.NewMessage.Frame("", shared.Message{Seq: 907, Message: message.Message + "x"})),
		"another run":   strings.Replace(string(frame), run+" 001f", "xxxxxxxx 001f", 1),
		"no number":     strings.Replace(string(frame), "0000002a", "0000002g", 2),
		"no message":    string(shared.Ack.Frame("", shared.AckPayload{Seq: 907})),
		"not like this": `{"payload":{"seq":907},"type":"new_message"}`,
		"cut":           string(frame[:len(frame)/2]),
		"empty":         "",
	} {
		if d, ok := scan([]byte(other), run, size); ok {
			t.Errorf("%s: scan: got %+v, want nothing", name, d)
		}
	}
	ack := shared.Ack.Frame(message.ID, shared.AckPayload{Room: "bench-x-0", Seq: 907, Sent: time.Now()})
	if seq, number, ok := scanAck(ack, run); !ok || seq != 907 || number != 42 {
		t.Errorf("scanAck: got %d, %d, %v in %s, want 907, 42", seq, number, ok, ack)
	}

	template := newTemplate(run, 31, size)
	event, err := shared.DecodeEvent(template.fill(42, due))
	var sent shared.SendMessagePayload
	if err != nil || json.Unmarshal(event.Payload, &sent) != nil || sent.Message != message.Message || event.ID != message.ID {
		t.Errorf("what is sent is %+v, %v; want %q with id %s", event, err, message.Message, message.ID)
	}
}

// scan runs once for each delivery.
func TestScanDoesNotAllocate(t *testing.T) {
	frame := shared.NewMessage.Frame("", shared.Message{Seq: 907, ID: "x", Message: textOf("k3x9a7qp", 31, 42, 5, 128)})
	if n := testing.AllocsPerRun(100, func() { _, _ = scan(frame, "k3x9a7qp", 128) }); n != 0 {
		t.Errorf("allocations: got %v, want 0", n)
	}
}

func BenchmarkScan(b *testing.B) {
	frame := shared.NewMessage.Frame("", shared.Message{Seq: 907, ID: "x", Room: "bench-k3x9a7qp-0", From: "Ann", Message: textOf("k3x9a7qp", 31, 42, 5, 128), Sent: time.Now()})
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := scan(frame, "k3x9a7qp", 128); !ok {
			b.Fatal("not found")
		}
	}
}

// The tables have the format of /proc/net/tcp and tcp6.
func TestListeners(t *testing.T) {
	const tcp = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 112 1 0 20 4 30 10 -1
   2: 0200007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 113 1 0 100 0 0 10 0
   3: 00000000:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 114 1 0 100 0 0 10 0
`
	const tcp6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 115 1 0 100 0 0 10 0
   1: 00000000000000000000000001000000:1F92 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 116 1 0 100 0 0 10 0
`
	for at, want := range map[string][]string{
		"127.0.0.1:8080": {"socket:[111]", "socket:[115]"},
		"127.0.0.2:8080": {"socket:[113]", "socket:[115]"},
		"10.0.0.1:8081":  {"socket:[114]"},
		"[::1]:8082":     {"socket:[116]"},
		"127.0.0.1:8082": nil,
	} {
		address := netip.MustParseAddrPort(at)
		if got := slices.Concat(listeners(tcp, address), listeners(tcp6, address)); !slices.Equal(got, want) {
			t.Errorf("at %s listen %q, want %q", at, got, want)
		}
	}
}
