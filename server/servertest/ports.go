package servertest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

var usedPorts sync.Map // handed out by this process

// freeAddrs returns addresses for servers that are killed and started again. Nobody
// takes them meanwhile: their ports lie below those that systems choose for
// outgoing connections and for listeners without a port.
func freeAddrs(t testing.TB, n int) (addrs []string) {
	t.Helper()
	const lowest, count = 20_000, 12_000
	for range count {
		port := lowest + rand.IntN(count)
		if _, used := usedPorts.LoadOrStore(port, true); used {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue // another process has it
		}
		addrs = append(addrs, l.Addr().String())
		_ = l.Close()
		if len(addrs) == n {
			return addrs
		}
	}
	t.Fatalf("got %d free ports from %d on, want %d", len(addrs), lowest, n)
	return nil
}
