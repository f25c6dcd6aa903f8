package pattern

import "strings"

// The code words of CAVLC as the standard prints them (ITU-T H.264, tables 9-5 and 9-7 to 9-10).
const (
	// One line for each number of coefficients; in it, one word for 0 to 3 trailing ones. The lines of the
	// four tables stand one below the other: nC 0–1, 2–3, 4–7 and chroma DC.
	coeffTokens0 = `1
000101 01
00000111 000100 001
000000111 00000110 0000101 00011
0000000111 000000110 00000101 000011
00000000111 0000000110 000000101 0000100
0000000001111 00000000110 0000000101 00000100
0000000001011 0000000001110 00000000101 000000100
0000000001000 0000000001010 0000000001101 0000000100
00000000001111 00000000001110 0000000001001 00000000100
00000000001011 00000000001010 00000000001101 0000000001100
000000000001111 000000000001110 00000000001001 00000000001100
000000000001011 000000000001010 000000000001101 00000000001000
0000000000001111 000000000000001 000000000001001 000000000001100
0000000000001011 0000000000001110 0000000000001101 000000000001000
0000000000000111 0000000000001010 0000000000001001 0000000000001100
0000000000000100 0000000000000110 0000000000000101 0000000000001000`
	coeffTokens2 = `11
001011 10
000111 00111 011
0000111 001010 001001 0101
00000111 000110 000101 0100
00000100 0000110 0000101 00110
000000111 00000110 00000101 001000
00000001111 000000110 000000101 000100
00000001011 00000001110 00000001101 0000100
000000001111 00000001010 00000001001 000000100
000000001011 000000001110 000000001101 00000001100
000000001000 000000001010 000000001001 00000001000
0000000001111 0000000001110 0000000001101 000000001100
0000000001011 0000000001010 0000000001001 0000000001100
0000000000111 00000000001011 0000000000110 0000000001000
00000000001001 00000000001000 00000000001010 0000000000001
00000000000111 00000000000110 00000000000101 00000000000100`
	coeffTokens4 = `1111
001111 1110
001011 01111 1101
001000 01100 01110 1100
0001111 01010 01011 1011
0001011 01000 01001 1010
0001001 001110 001101 1001
0001000 001010 001001 1000
00001111 0001110 0001101 01101
00001011 00001110 0001010 001100
000001111 00001010 00001101 0001100
000001011 000001110 00001001 00001100
000001000 000001010 000001101 00001000
0000001101 000000111 000001001 000001100
0000001001 0000001100 0000001011 0000001010
0000000101 0000001000 0000000111 0000000110
0000000001 0000000100 0000000011 0000000010`
	coeffTokensDC = `01
000111 1
000100 000110 001
000011 0000011 0000010 000101
000010 00000011 00000010 0000000`

	// One line for each number of coefficients from 1; in it, one word for each number of zeros.
	totalZeros = `1 011 010 0011 0010 00011 00010 000011 000010 0000011 0000010 00000011 00000010 000000011 000000010 000000001
111 110 101 100 011 0101 0100 0011 0010 00011 00010 000011 000010 000001 000000
0101 111 110 101 0100 0011 100 011 0010 00011 00010 000001 00001 000000
00011 111 0101 0100 110 101 100 0011 011 0010 00010 00001 00000
0101 0100 0011 111 110 101 100 011 0010 00001 0001 00000
000001 00001 111 110 101 100 011 010 0001 001 000000
000001 00001 101 100 011 11 010 0001 001 000000
000001 0001 00001 011 11 10 010 001 000000
000001 000000 0001 11 10 001 01 00001
00001 00000 001 11 10 01 0001
0000 0001 001 010 1 011
0000 0001 01 1 001
000 001 1 01
00 01 1
0 1`
	totalZerosDC = `1 01 001 000
1 01 00
1 0`

	// One line for 1 to 6 zeros left and for more; in it, one word for each run.
	runBefore = `1 0
1 01 00
11 10 01 00
11 10 01 001 000
11 10 011 010 001 000
11 000 001 011 010 101 100
111 110 101 100 011 010 001 0001 00001 000001 0000001 00000001 000000001 0000000001 00000000001`
)

// code is a code word.
type code struct {
	n    uint8
	bits uint16
}

// codes is a table of code words by line and column.
type codes [][]code

func parseCodes(table string) codes {
	var t codes
	for line := range strings.Lines(table) {
		var row []code
		for _, word := range strings.Fields(line) {
			c := code{n: uint8(len(word))}
			for _, bit := range word {
				c.bits = c.bits<<1 | uint16(bit-'0')
			}
			row = append(row, c)
		}
		t = append(t, row)
	}
	return t
}

// cavlc holds the tables in the form the encoder uses.
type cavlc struct {
	coeffToken   [4]codes // nC 0–1, 2–3, 4–7, chroma DC
	totalZeros   codes
	totalZerosDC codes
	runBefore    codes
}

// chromaDC stands in for nC where the block is one of chroma DC.
const chromaDC = -1

func newCAVLC() *cavlc {
	return &cavlc{
		coeffToken: [4]codes{
			parseCodes(coeffTokens0), parseCodes(coeffTokens2), parseCodes(coeffTokens4), parseCodes(coeffTokensDC),
		},
		totalZeros:   parseCodes(totalZeros),
		totalZerosDC: parseCodes(totalZerosDC),
		runBefore:    parseCodes(runBefore),
	}
}

func (w *writer) code(c code) { w.u(uint(c.n), uint32(c.bits)) }

// residual writes the levels of a block in scan order (section 9.2) and returns how many are not zero. nC is the
// context from the blocks around, or chromaDC.
func (v *cavlc) residual(w *writer, levels []int32, nC int) int {
	var level, run [16]int32 // of the non-zero ones, last first; run counts the zeros before each
	total, zeros, ones := 0, int32(0), 0
	gap := int32(0)
	for _, l := range levels {
		if l == 0 {
			gap++
			continue
		}
		// Kept in scan order for now; turned round below by indexing from the end.
		level[total], run[total] = l, gap
		zeros += gap
		gap = 0
		total++
	}
	for i := total - 1; i >= 0 && ones < 3 && (level[i] == 1 || level[i] == -1); i-- {
		ones++
	}

	switch {
	case nC == chromaDC:
		w.code(v.coeffToken[3][total][ones])
	case nC < 2:
		w.code(v.coeffToken[0][total][ones])
	case nC < 4:
		w.code(v.coeffToken[1][total][ones])
	case nC < 8:
		w.code(v.coeffToken[2][total][ones])
	case total == 0:
		w.u(6, 3)
	default:
		w.u(6, uint32(total-1)<<2|uint32(ones))
	}
	if total == 0 {
		return 0
	}

	suffix := uint(0)
	if total > 10 && ones < 3 {
		suffix = 1
	}
	for i := total - 1; i >= 0; i-- {
		l := level[i]
		if n := total - 1 - i; n < ones {
			w.u(1, uint32(l)>>31)
			continue
		} else if n == ones && ones < 3 {
			// It cannot be ±1 here, or it would be a trailing one.
			w.level(towardsZero(l), suffix)
		} else {
			w.level(l, suffix)
		}
		if suffix == 0 {
			suffix = 1
		}
		if suffix < 6 && max(l, -l) > 3<<(suffix-1) {
			suffix++
		}
	}

	if total < len(levels) {
		if nC == chromaDC {
			w.code(v.totalZerosDC[total-1][zeros])
		} else {
			w.code(v.totalZeros[total-1][zeros])
		}
	}
	for i := total - 1; i > 0 && zeros > 0; i-- {
		w.code(v.runBefore[min(zeros, 7)-1][run[i]])
		zeros -= run[i]
	}
	return total
}

func towardsZero(l int32) int32 {
	if l > 0 {
		return l - 1
	}
	return l + 1
}

// maxLevel is what a level of the longest form can hold whatever the suffix; larger ones are cut off by quantize.
const maxLevel = 2047

// level writes level_prefix and level_suffix (section 9.2.2.1).
func (w *writer) level(l int32, suffix uint) {
	c := uint32(2*l - 2)
	if l < 0 {
		c = uint32(-2*l - 1)
	}
	switch {
	case suffix == 0 && c < 14:
		w.u(uint(c)+1, 1)
	case suffix == 0 && c < 30:
		w.u(15, 1)
		w.u(4, c-14)
	case suffix == 0:
		w.u(16, 1)
		w.u(12, c-30)
	case c < 15<<suffix:
		w.u(uint(c>>suffix)+1, 1)
		w.u(suffix, c&(1<<suffix-1))
	default:
		w.u(16, 1)
		w.u(12, c-15<<suffix)
	}
}
