package view

import "strconv"

// UnsentWarning warns that n unsent messages will be lost. It returns "" for none.
func UnsentWarning(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "1 message has not been sent and will be lost."
	}
	return strconv.Itoa(n) + " messages have not been sent and will be lost."
}
