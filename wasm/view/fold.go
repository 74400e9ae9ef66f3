package view

import "strings"

// maxLines is how many lines a message may have to be shown in full. app.css says how
// many lines of a longer one are shown.
const maxLines = 30

// fold folds a long message, unless the reader has unfolded it.
func (t *Timeline) fold(e *Entry) {
	if !isLong(e.Text) {
		return
	}
	e.More, e.Folded = "Show more", true
	if t.unfolded[e.Key] {
		e.More, e.Folded = "Show less", false
	}
}

func isLong(text string) bool { return strings.Count(text, "\n") >= maxLines }

// ToggleFold unfolds a long message, or folds it again, and reports which. A reader at
// the end stays where the text that they unfold begins, so they are no longer at the end.
func (t *Timeline) ToggleFold(key string) (unfolded bool) {
	if t.unfolded[key] {
		delete(t.unfolded, key)
		return false
	}
	if t.unfolded == nil {
		t.unfolded = make(map[string]bool)
	}
	t.unfolded[key] = true
	t.AtEnd = false
	return true
}
