package jetstream

import (
	"errors"
	"testing"
	"time"

	"websockets/server/eventlog"
)

// While the table lags so far that JetStream may have forgotten what it lacks, nobody can
// tell whether an append is stored already: it is refused.
func TestLaggingKeysRefuseAppends(t *testing.T) {
	t.Parallel()
	s := &shard{opts: &Options{now: time.Now}, keys: newRecentKeys(1<<20, nil)}
	for _, test := range []struct {
		checked time.Time
		refused bool
	}{
		{time.Now(), false},
		{time.Now().Add(-maxKeysLag + 10*time.Second), false},
		{time.Now().Add(-maxKeysLag - time.Second), true},
		{time.Now().Add(time.Hour), true}, // the machine's clock went back
	} {
		s.keys.setComplete(0, test.checked.Round(0))
		_, isStored, err := s.findStored(t.Context(), "key")
		if isStored || errors.Is(err, ErrUnavailable) != test.refused {
			t.Errorf("compared %v ago: got %v, %v, want refused: %v", time.Since(test.checked), isStored, err, test.refused)
		}
	}
	// An append that was accepted gets to the stream before JetStream forgets.
	if spent := maxKeysLag + slotTimeout + appendTimeout; spent >= duplicateWindow {
		t.Errorf("an append's longest way: got %v, want less than %v", spent, duplicateWindow)
	}
	if duplicateWindow > eventlog.MinMaxAge {
		t.Errorf("JetStream's window: got %v, want at most the shortest age of a record, %v", duplicateWindow, eventlog.MinMaxAge)
	}
}
