package servertest

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
)

// Figure is one row of the table that ./build.sh perf prints.
type Figure struct {
	// Name says what was measured.
	Name string
	// Got is the measured value and Aim what it should be on a quiet machine with
	// two processors, both in Unit: ms, KiB, 1/s. An Aim of 0 is none.
	Got, Aim float64
	Unit     string
	// MoreIsBetter tells a rate from a cost.
	MoreIsBetter bool
	// Fails is by what factor the value has to miss its aim to fail the run. It has
	// to be more than noise explains; a comment says why. 0 never fails.
	Fails float64
}

// Report adds rows to the table, and fails the test for each that misses its aim
// by its factor.
func Report(t testing.TB, figures ...Figure) {
	t.Helper()
	for _, f := range figures {
		aim := "-"
		if f.Aim != 0 {
			aim = number(f.Aim)
		}
		t.Logf("%s: %s %s (aim %s)", f.Name, number(f.Got), f.Unit, aim)
		verdict := ""
		switch off := f.off(); {
		case f.Aim == 0:
		case f.Fails != 0 && off > f.Fails:
			verdict = "FAIL"
			t.Errorf("%s: got %s %s, want %s; it is off by a factor of %.1f, more than %.1f", f.Name, number(f.Got), f.Unit, aim, off, f.Fails)
		case off > 1:
			verdict = "missed"
		default:
			verdict = "met"
		}
		if err := appendRow(fmt.Sprintf("%s\t%s\t%s\t%s\t%s\n", f.Name, aim, number(f.Got), f.Unit, verdict)); err != nil {
			t.Error(err)
		}
	}
}

// Milliseconds is a duration as a Figure has it.
func Milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// off is the factor by which the value misses its aim; 1 and less meets it.
func (f Figure) off() float64 {
	if f.MoreIsBetter {
		return f.Aim / f.Got
	}
	return f.Got / f.Aim
}

func number(x float64) string {
	if x >= 100 || x == float64(int(x)) {
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	return strconv.FormatFloat(x, 'g', 3, 64)
}

// appendRow writes to the file that the environment's WEBSOCKETS_FIGURES names,
// if it does.
func appendRow(row string) error {
	path := os.Getenv("WEBSOCKETS_FIGURES")
	if path == "" {
		return nil
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := file.WriteString(row); err != nil {
		_ = file.Close()
		return err
	}
	return file.Close()
}
