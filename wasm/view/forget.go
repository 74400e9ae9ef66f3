package view

import "strconv"

// UnsentWarning warns of messages that would be lost, empty if there are none.
func UnsentWarning(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "1 message has not been sent. It would be lost."
	}
	return strconv.Itoa(n) + " messages have not been sent. They would be lost."
}
