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
	promiseKills = flag.Int("promise.kills", 5, "how often TestAckedMessagesSurviveKills kills the server")
	promiseSeed  = flag.Uint64("promise.seed", 0, "its seed; 0 makes one up")
)

// TestAckedMessagesSurviveKills tries to break the first promise: clients flood a
// server process that is killed with SIGKILL at random moments and started again on
// the same data. By the clients' own records, not the server's, every acked message
// is in the log once, every client was shown every room's messages once and in the
// same order, and all resumed by themselves.
func TestAckedMessagesSurviveKills(t *testing.T) {
	t.Parallel()
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
			c.awaitAcks(c.recorders, 10)
			// The moment of the kill is random; it is not a wait for something to happen.
			pause := time.NewTimer(time.Duration(random.IntN(1200)) * time.Millisecond)
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
	c.judge(server.WS())
}
