package chat

import "testing"

// Memory is trimmed once after each burst of connections, when it is over.
func TestMemoryIsTrimmedAfterBurst(t *testing.T) {
	t.Parallel()
	var trimmer memoryTrimmer
	for i, tick := range []struct {
		churn int64 // since the tick before
		due   bool
	}{
		{trimAfter - 1, false}, {0, false}, // too few
		{5 * trimAfter, false}, {3 * trimAfter, false}, // they come
		{10, true},              // it is as good as over
		{0, false}, {10, false}, // once is enough
		{2 * trimAfter, false}, {0, true}, // they go
	} {
		trimmer.churn.Add(tick.churn)
		if due := trimmer.isDue(); due != tick.due {
			t.Errorf("tick %d: got due %v, want %v", i, due, tick.due)
		}
	}
}
