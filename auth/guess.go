package auth

import (
	_ "embed"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"cardea/auth/breach"
)

// commonWords are the words that people build bad passwords from, most used first, one a line. The file says in
// its head where they come from.
//
//go:embed common.txt
var commonWords string

// leet undoes the spellings that every guessing program tries.
var leet = strings.NewReplacer("0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "7", "t", "@", "a", "$", "s", "!", "i", "|", "l")

// runs are what fingers do on a keyboard; each is looked for forwards and backwards.
var runs = []string{
	"abcdefghijklmnopqrstuvwxyz", "01234567890123456789",
	"qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm", "azertyuiop", "qsdfghjklm", "wxcvbn",
	"1q2w3e4r5t6y7u8i9o0p", "1qaz2wsx3edc4rfv5tgb6yhn7ujm", "qazwsxedcrfvtgbyhnujm", "!@#$%^&*()", "!\"§$%&/()=",
}

// guessable reports whether a password falls to the first few million guesses of any cracking program: it is made of
// at most two pieces, each a common word, the name of the person or of this program, a run on the keyboard, a
// repetition or a few digits; or it leaked, as it is or with a few digits and signs around it. Four unrelated words pass. It works without a
// network.
func guessable(password, name string) bool {
	lower := strings.ToLower(password)
	words := dictionary(name)
	for _, form := range []string{lower, leet.Replace(lower)} {
		if pieces(form, words) <= 2 || pieces(joined(form), words) <= 2 {
			return true
		}
	}
	return breach.Known(cores(lower)...)
}

// cores are what a password may have been made from by putting up to four digits or signs at either end, by spelling letters as digits, or by
// putting something between its words.
func cores(lower string) []string {
	var all []string
	for _, form := range []string{lower, leet.Replace(lower), joined(lower), joined(leet.Replace(lower))} {
		r := []rune(form)
		for start := 0; start == 0 || start <= min(4, len(r)) && !unicode.IsLetter(r[start-1]); start++ {
			for end := len(r); end == len(r) || end >= max(start, len(r)-4) && !unicode.IsLetter(r[end]); end-- {
				if core := string(r[start:end]); utf8.RuneCountInString(core) >= breach.Shortest && !slices.Contains(all, core) {
					all = append(all, core)
				}
				if end == start {
					break
				}
			}
		}
	}
	return all
}

// dictionary is the set of words for one check. It is built when a password is chosen, a few times in the life of a
// box, rather than kept.
func dictionary(name string) map[string]bool {
	words := map[string]bool{}
	for line := range strings.Lines(commonWords) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			words[line] = true
		}
	}
	name = strings.ToLower(name)
	for _, w := range append(strings.FieldsFunc(name, notAlnum), joined(name), "cardea") {
		if len(w) >= 3 {
			words[w] = true
		}
	}
	return words
}

// pieces is the least number of guessable pieces that s falls into; what fits nothing counts one for each character.
// Up to four digits or signs at either end come free, because everybody appends some.
func pieces(s string, words map[string]bool) int {
	r := []rune(s)
	if len(r) > 64 {
		r = r[:64] // long enough to tell, and it bounds the work
	}
	least := make([]int, len(r)+1)
	for end := 1; end <= len(r); end++ {
		least[end] = least[end-1] + 1
		for start := max(0, end-32); start < end; start++ {
			switch p := r[start:end]; {
			case (start == 0 || end == len(r)) && len(p) <= 4 && strings.IndexFunc(string(p), unicode.IsLetter) < 0:
				least[end] = min(least[end], least[start])
			case len(p) >= 3 && (words[string(p)] || onRun(string(p))):
				least[end] = min(least[end], least[start]+1)
			}
		}
		if start := repetition(r[:end]); start < end {
			least[end] = min(least[end], least[start]+1)
		}
	}
	return least[len(r)]
}

// onRun reports whether s lies on the keyboard or in the alphabet in one go.
func onRun(s string) bool {
	if len(s) < 4 {
		return false
	}
	back := []rune(s)
	for i, j := 0, len(back)-1; i < j; i, j = i+1, j-1 {
		back[i], back[j] = back[j], back[i]
	}
	for _, run := range runs {
		if strings.Contains(run, s) || strings.Contains(run, string(back)) {
			return true
		}
	}
	return false
}

// repetition returns where the longest tail of r begins that only repeats a unit of at most 8 characters, at least
// three times or filling six characters; len(r) where there is none.
func repetition(r []rune) int {
	best := len(r)
	for unit := 1; unit <= 8; unit++ {
		start := len(r)
		for start-unit >= 0 && (start == len(r) || string(r[start-unit:start]) == string(r[len(r)-unit:])) {
			start -= unit
		}
		if n := len(r) - start; n >= 3*unit || (n >= 2*unit && n >= 6) {
			best = min(best, start)
		}
	}
	return best
}

// joined leaves out what stands between words.
func joined(s string) string {
	return strings.Join(strings.FieldsFunc(s, notAlnum), "")
}

func notAlnum(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }
