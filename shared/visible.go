package shared

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	zwnj = '\u200c' // zero width non-joiner
	zwj  = '\u200d' // zero width joiner

	textStyle     = '\ufe0e'
	emojiStyle    = '\ufe0f'
	keycap        = '\u20e3'
	blankBraille  = '\u2800'
	blankNotehead = '\U0001d159'
)

// IsBlank reports whether a text shows nothing.
func IsBlank(text string) bool { return !strings.ContainsFunc(text, isVisible) }

// isVisible reports whether r shows something by itself.
func isVisible(r rune) bool {
	if unicode.Is(unicode.Prepended_Concatenation_Mark, r) { // formats, but can be seen
		return true
	}
	return !unicode.In(r, unicode.White_Space, unicode.Cc, unicode.Cf,
		unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) && r != blankBraille && r != blankNotehead
}

// StripInvisible removes what a name must not contain: characters that cannot be seen
// and that neither its script nor an emoji needs.
func StripInvisible(name string) string {
	var kept strings.Builder
	for name != "" {
		r, size := utf8.DecodeRuneInString(name)
		flag := flagAt(name)
		if flag > 0 {
			size = flag
		}
		if flag > 0 || isNeeded(kept.String(), r, name[size:]) {
			kept.WriteString(name[:size])
		}
		name = name[size:]
	}
	return kept.String()
}

// The flags that are spelled with tags, which cannot be seen: a black flag, the letters
// of the region, and the tag that ends them.
const (
	england  = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f" // gbeng
	scotland = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f" // gbsct
	wales    = "\U0001f3f4\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f" // gbwls
)

// flagAt returns the length of the flag with which a text begins, 0 if there is none.
func flagAt(text string) int {
	for _, flag := range []string{england, scotland, wales} {
		if strings.HasPrefix(text, flag) {
			return len(flag)
		}
	}
	return 0
}

// isNeeded reports whether r can be seen, or changes what stands before or after it.
func isNeeded(before string, r rune, after string) bool {
	previous, _ := utf8.DecodeLastRuneInString(before)
	next, _ := utf8.DecodeRuneInString(after)
	switch {
	case r == zwj && isPictograph(next):
		previous, _ = utf8.DecodeLastRuneInString(strings.TrimSuffix(before, string(emojiStyle)))
		return isPictograph(previous)
	case r == zwj || r == zwnj:
		previous, _ = utf8.DecodeLastRuneInString(strings.TrimRightFunc(before, unicode.IsMark))
		// ZWJ may end a word: there it chooses the shape of the last letter.
		return isJoinable(previous) && (r == zwj || isJoinable(next))
	case unicode.Is(unicode.Variation_Selector, r):
		return hasVariants(previous, r, next)
	}
	return r == ' ' || isPictograph(r) || unicode.IsPrint(r) && isVisible(r)
}

// isJoinable reports whether joiners change the shape of a letter or mark.
func isJoinable(r rune) bool {
	return unicode.In(r,
		unicode.Arabic, unicode.Syriac, unicode.Nko, unicode.Mongolian, unicode.Adlam,
		unicode.Devanagari, unicode.Bengali, unicode.Gurmukhi, unicode.Gujarati, unicode.Oriya, unicode.Tamil,
		unicode.Telugu, unicode.Kannada, unicode.Malayalam, unicode.Sinhala,
		unicode.Khmer, unicode.Myanmar, unicode.Tibetan) && unicode.In(r, unicode.L, unicode.M)
}

// hasVariants reports whether a variation selector chooses the shape of the character
// before it.
func hasVariants(before, selector, after rune) bool {
	if selector == emojiStyle && after == keycap {
		return before == '#' || before == '*' || '0' <= before && before <= '9'
	}
	if selector == emojiStyle || selector == textStyle {
		return isPictograph(before)
	}
	return unicode.In(before, unicode.Han, unicode.Mongolian, unicode.Myanmar, unicode.Phags_Pa)
}

// isPictograph reports whether r may be shown as an emoji. The blocks have room for
// emoji that this version of Go does not know yet.
func isPictograph(r rune) bool { return unicode.Is(pictographs, r) }

var pictographs = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x00a9, 0x00a9, 1}, {0x00ae, 0x00ae, 1}, {0x203c, 0x203c, 1}, {0x2049, 0x2049, 1}, {0x2122, 0x2122, 1},
		{0x2139, 0x2139, 1}, {0x2190, 0x21ff, 1}, {0x2300, 0x23ff, 1}, {0x24c2, 0x24c2, 1}, {0x25a0, 0x27bf, 1},
		{0x2934, 0x2935, 1}, {0x2b00, 0x2bff, 1}, {0x3030, 0x3030, 1}, {0x303d, 0x303d, 1}, {0x3297, 0x3297, 1},
		{0x3299, 0x3299, 1},
	},
	R32:         []unicode.Range32{{0x1f000, 0x1faff, 1}},
	LatinOffset: 2,
}
