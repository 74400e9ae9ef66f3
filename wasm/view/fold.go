package view

const (
	// maxLines is how many lines a message may have without being folded.
	maxLines = 30
	// foldedLines is how many lines of a folded message are shown.
	foldedLines = 20
)

// Labels of the button that folds a long message.
const (
	ShowMore = "Show more"
	ShowLess = "Show less"
)

// fold shortens a message with many lines, unless the reader has unfolded it.
func (t *Timeline) fold(e *Entry) {
	start, long := firstLines(e.Text)
	switch {
	case !long || t.Printing:
	case t.unfolded[e.Key]:
		e.Fold = ShowLess
	default:
		e.Text, e.Fold = start, ShowMore
	}
}

// ToggleFold unfolds a long message, or folds it again. The reader may no longer be at the
// end then: call Scrolled after the next Show.
func (t *Timeline) ToggleFold(key string) {
	if t.unfolded == nil {
		t.unfolded = make(map[string]bool)
	}
	t.unfolded[key] = !t.unfolded[key]
	t.AtEnd = false
}

// firstLines returns the first lines of a long text. It reports false for other texts.
func firstLines(text string) (start string, long bool) {
	breaks, end := 0, 0
	for i, r := range text {
		switch r {
		case '\n', '\v', '\f', '\r', '\u0085', '\u2028', '\u2029':
			breaks++
			if breaks == foldedLines {
				end = i
			}
			if breaks == maxLines {
				return text[:end], true
			}
		}
	}
	return text, false
}
