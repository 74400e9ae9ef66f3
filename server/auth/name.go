package auth

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"websockets/shared"
)

const (
	zwnj = '\u200c' // zero width non-joiner
	zwj  = '\u200d' // zero width joiner
)

// CleanName returns a display name in the form in which it is stored and shown. That is
// NFKC without idle joiners, in which names that look the same are the same. The error
// is a *shared.Error if the name is not allowed.
func CleanName(name string) (string, error) {
	name = normalized(name)
	return name, shared.ValidateName(name)
}

// tokenName returns the display name for the claim of a token. The identity provider has
// rules of its own, so a name is made to fit ours; it is empty if nothing is left of it.
func tokenName(claim any) string {
	name, _ := claim.(string)
	name = strings.Join(strings.Fields(name), " ") // line breaks too, which StripInvisible removes
	name = strings.TrimSpace(shared.StripInvisible(normalized(name)))
	if utf8.RuneCountInString(name) > shared.MaxNameLength {
		name = string([]rune(name)[:shared.MaxNameLength])
		name = strings.TrimSpace(shared.StripInvisible(normalized(name))) // what was cut off may have needed a joiner
	}
	if shared.ValidateName(name) != nil {
		return ""
	}
	return name
}

// normalized returns a name in NFKC, without joiners that change nothing.
func normalized(name string) string {
	if !utf8.ValidString(name) {
		return name // which ValidateName refuses
	}
	return withoutIdleJoiners(norm.NFKC.String(withoutStyles(name)))
}

// withoutStyles removes variation selectors after characters that NFKC replaces, such as
// the emoji ™.
func withoutStyles(name string) string {
	var kept []rune
	for _, r := range name {
		if unicode.Is(unicode.Variation_Selector, r) && len(kept) > 0 && !norm.NFKC.IsNormalString(string(kept[len(kept)-1])) {
			continue
		}
		kept = append(kept, r)
	}
	return string(kept)
}

// withoutIdleJoiners removes the joiners that change the shape of no letter: keyboards
// make them too, and two names that look the same must not differ.
func withoutIdleJoiners(name string) string {
	var kept strings.Builder
	for i, r := range name {
		isJoiner := r == zwnj || r == zwj
		if !isJoiner || !isIdle(kept.String(), r, name[i+utf8.RuneLen(r):]) {
			kept.WriteRune(r)
		}
	}
	return kept.String()
}

// isIdle reports whether a joiner changes nothing. It knows Arabic and the scripts of
// India; elsewhere no joiner is idle.
func isIdle(before string, joiner rune, after string) bool {
	previous, _ := utf8.DecodeLastRuneInString(before)
	next, _ := utf8.DecodeRuneInString(after)
	if isIndic(previous) {
		return !unicode.Is(viramas, previous) && !unicode.Is(viramas, next)
	}
	previous, _ = utf8.DecodeLastRuneInString(strings.TrimRightFunc(before, unicode.IsMark))
	next, _ = utf8.DecodeRuneInString(strings.TrimLeftFunc(after, unicode.IsMark))
	if !isArabic(previous) {
		return false
	}
	joinsNext := !unicode.Is(joinNoNext, previous)
	joinsPrevious := isArabic(next) && !unicode.Is(joinNone, next)
	if joiner == zwnj {
		return !joinsNext || !joinsPrevious
	}
	return joinsNext == joinsPrevious
}

// isArabic reports whether r is an Arabic letter, or the kashida, which joins both sides.
func isArabic(r rune) bool {
	return unicode.Is(unicode.Arabic, r) && unicode.IsLetter(r) || r == '\u0640'
}

// isIndic reports whether r is of a script from Devanagari to Sinhala.
func isIndic(r rune) bool { return 0x0900 <= r && r <= 0x0dff }

// viramas join the consonants before and after them in those scripts. A joiner beside one
// decides how.
var viramas = &unicode.RangeTable{R16: []unicode.Range16{
	{0x094d, 0x094d, 1}, {0x09cd, 0x09cd, 1}, {0x0a4d, 0x0a4d, 1}, {0x0acd, 0x0acd, 1}, {0x0b4d, 0x0b4d, 1},
	{0x0bcd, 0x0bcd, 1}, {0x0c4d, 0x0c4d, 1}, {0x0ccd, 0x0ccd, 1}, {0x0d3b, 0x0d3c, 1}, {0x0d4d, 0x0d4d, 1},
	{0x0dca, 0x0dca, 1},
}}

// joinNone are the Arabic letters that join neither neighbour, and joinNoNext those that
// do not join the letter after them (Joining_Type U and R of Unicode).
var (
	joinNone = &unicode.RangeTable{R16: []unicode.Range16{
		{0x0621, 0x0621, 1}, {0x0674, 0x0674, 1}, {0x08ad, 0x08ad, 1},
	}}
	joinNoNext = &unicode.RangeTable{R16: []unicode.Range16{
		{0x0621, 0x0625, 1}, {0x0627, 0x0627, 1}, {0x0629, 0x0629, 1}, {0x062f, 0x0632, 1}, {0x0648, 0x0648, 1},
		{0x0671, 0x0677, 1}, {0x0688, 0x0699, 1}, {0x06c0, 0x06c0, 1}, {0x06c3, 0x06cb, 1}, {0x06cd, 0x06cd, 1},
		{0x06cf, 0x06cf, 1}, {0x06d2, 0x06d3, 1}, {0x06d5, 0x06d5, 1}, {0x06ee, 0x06ef, 1}, {0x0759, 0x075b, 1},
		{0x076b, 0x076c, 1}, {0x0771, 0x0771, 1}, {0x0773, 0x0774, 1}, {0x0778, 0x0779, 1}, {0x0870, 0x0882, 1},
		{0x088e, 0x088e, 1}, {0x08aa, 0x08ae, 1}, {0x08b1, 0x08b2, 1}, {0x08b9, 0x08b9, 1},
	}}
)
