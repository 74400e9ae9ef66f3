package chat

import "testing"

// Memory is given back once after each wave of connections, when it is calm.
func TestAWaveIsOverWhenItIsCalm(t *testing.T) {
	t.Parallel()
	var w wave
	for i, tick := range []struct {
		moved int64 // since the tick before
		over  bool
	}{
		{waveSize - 1, false}, {0, false}, // too few
		{5 * waveSize, false}, {3 * waveSize, false}, // they come
		{10, true},              // it is as good as calm
		{0, false}, {10, false}, // once is enough
		{2 * waveSize, false}, {0, true}, // they go
	} {
		w.moved.Add(tick.moved)
		if over := w.isOver(); over != tick.over {
			t.Errorf("tick %d: over is %v, want %v", i, over, tick.over)
		}
	}
}
