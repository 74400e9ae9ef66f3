package servertest

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

var began = time.Now()

// Stamp is a text that tells when it was written, padded to about size bytes.
func Stamp(size int) string {
	text := strconv.FormatInt(int64(time.Since(began)), 10) + " "
	return text + strings.Repeat("x", max(0, size-len(text)))
}

// Age is how long ago a Stamp was written in this process.
func Age(stamp string) time.Duration {
	digits, _, _ := strings.Cut(stamp, " ")
	written, _ := strconv.ParseInt(digits, 10, 64)
	return time.Since(began) - time.Duration(written)
}

// Percentile returns what p of a hundred are at most, 0 < p < 100.
func Percentile(times []time.Duration, p int) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[len(sorted)*p/100]
}
