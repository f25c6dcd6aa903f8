package discovery

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// textRunes is how much of a name that a device gives itself is kept.
const textRunes = 64

// clean makes a text from the network fit for a list: valid UTF-8 in one line, nothing that moves the cursor, turns the direction
// of writing or has no width, and not long.
func clean(s string) string {
	if len(s) > 8*textRunes {
		s = s[:8*textRunes]
	}
	n := 0
	s = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Co, r):
			return -1
		case unicode.IsSpace(r) || unicode.IsControl(r):
			r = ' '
		case !unicode.IsPrint(r):
			return -1
		}
		if n++; n > textRunes {
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// token keeps an identifier of printable ASCII, or nothing.
func token(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 128 {
		return ""
	}
	for _, r := range s {
		if r <= ' ' || r > '~' {
			return ""
		}
	}
	return s
}

// urlPath keeps the path and query of a URL that a device gave, or nothing where it would be more than that.
func urlPath(s string) string {
	if len(s) > 256 || !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") || strings.ContainsAny(s, "#\\@\"<>^`{|}") || token(s) != s {
		return ""
	}
	return s
}
