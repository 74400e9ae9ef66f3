package shared

import "testing"

// Test for every close code whether it is final.
func TestReconnects(t *testing.T) {
	type span struct{ from, to int }
	again := []span{{1000, 1001}, {1005, 1006}, {1011, 1014}, {3000, 3499}, {4000, 4499}}
	for code := -1; code <= 5000; code++ {
		want := false
		for _, s := range again {
			want = want || s.from <= code && code <= s.to
		}
		if got := Reconnects(code); got != want {
			t.Errorf("%d: %v, want %v", code, got, want)
		}
	}
	for code, want := range map[int]bool{
		CloseNormal: true, CloseGoingAway: true, CloseRestart: true, CloseTryLater: true, CloseSilent: true,
		CloseUnsupportedData: false, CloseInvalidText: false, ClosePolicy: false, CloseTooBig: false, CloseSession: false, CloseSessionRevoked: false, CloseToken: false,
	} {
		if Reconnects(code) != want {
			t.Errorf("%d: want %v", code, want)
		}
	}
}
