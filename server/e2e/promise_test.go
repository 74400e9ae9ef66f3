package e2e

import (
	"flag"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"websockets/server/servertest"
)

var (
	promiseKills = flag.Int("promise.kills", 10, "how often TestAckedMessagesSurviveKills kills the server")
	promiseSeed  = flag.Uint64("promise.seed", 0, "its seed; 0 makes one up")
)

// TestAckedMessagesSurviveKills is the first promise, broken on purpose: clients
// flood a real server process that is killed with SIGKILL at random moments and
// started again on the same data. By the clients' own records, not the server's:
// every acked message is in the log once, every client was shown every room's
// messages once and in the same order, and all resumed by themselves.
func TestAckedMessagesSurviveKills(t *testing.T) {
	seed := *promiseSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d: repeat with -promise.seed=%d", seed, seed)
	random := rand.New(rand.NewPCG(seed, 0))

	server := servertest.Start(t, "--rate", "0")
	c := gather(t, []string{"one", "two", "three"}, slices.Repeat([]string{server.WS()}, 4)...)
	c.whileFlooding(func() {
		for kill := range *promiseKills {
			// Not a wait for something to happen: the moment of the kill is the dice's.
			pause := time.NewTimer(time.Duration(200+random.IntN(1200)) * time.Millisecond)
			<-pause.C
			server.Kill()
			acked := 0
			for _, r := range c.recorders {
				acked += r.ackedCount()
			}
			t.Logf("kill %d: %d messages acked so far", kill+1, acked)
			server.Start()
		}
	})
	if v, _ := c.judge(server.WS()); v.acked < *promiseKills*20 {
		t.Errorf("only %d messages were acked: this run proves little", v.acked)
	}
}
