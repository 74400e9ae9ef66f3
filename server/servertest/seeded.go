package servertest

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// Seeded returns a source of randomness that SEED=n in the environment repeats.
func Seeded(t testing.TB) *rand.Rand {
	seed := rand.Uint64()
	if kept := os.Getenv("SEED"); kept != "" {
		var err error
		if seed, err = strconv.ParseUint(kept, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}
