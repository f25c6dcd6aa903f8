// Package breach knows the passwords that leaks made known, without a network and without their list: 611,000 of eight
// letters or more, and what cameras and routers are delivered with, in 1.4 MB.
//
// Its noun is the set: a Golomb-coded set of hashes. Each word is a number below count<<rice, taken from its SHA-256; the numbers stand in order, and the file
// keeps the steps between them, each as a quotient in unary and rice bits of remainder. So a word of the list is always found, and any
// other one with a probability of 1 in 1<<rice. The set says nothing about passwords that are only like one of the list; package auth
// takes them apart first. README.md says where the words come from and how the file is made.
package breach

import (
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"math/bits"
	"slices"
)

// Shortest is the least number of characters of a word in the set.
const Shortest = 8

// rice is the number of bits of each remainder: a word that is not in the list is taken for one of it once in 131,072 times.
const rice = 17

//go:embed leaked.gcs
var leaked []byte

// Known reports whether one of words, all in lower case, is among those that leaked. It reads the set once, in some milliseconds, however many words
// are asked for.
func Known(words ...string) bool { return known(leaked, words) }

func known(set []byte, words []string) bool {
	if len(set) < 4 {
		return false
	}
	count := binary.BigEndian.Uint32(set)
	wanted := make([]uint64, len(words))
	for i, word := range words {
		wanted[i] = number(word, count)
	}
	slices.Sort(wanted)
	in := reader{bytes: set[4:]}
	var at uint64
	for range count {
		at += in.step()
		for len(wanted) > 0 && wanted[0] < at {
			wanted = wanted[1:]
		}
		if len(wanted) == 0 {
			return false
		}
		if wanted[0] == at {
			return true
		}
	}
	return false
}

// number is where a word stands among count<<rice places.
func number(word string, count uint32) uint64 {
	sum := sha256.Sum256([]byte(word))
	place, _ := bits.Mul64(binary.BigEndian.Uint64(sum[:]), uint64(count)<<rice)
	return place
}

// reader takes steps out of bits, the highest of a byte first. Behind the end there are ones, so that a damaged set ends.
type reader struct {
	bytes []byte
	ahead uint64 // the next bits, from the highest on
	have  int    // how many of them
}

func (r *reader) step() uint64 {
	quotient := 0
	for r.fill(); r.ahead == 0; r.fill() {
		quotient, r.have = quotient+r.have, 0
	}
	zeros := bits.LeadingZeros64(r.ahead)
	r.skip(zeros + 1)
	r.fill()
	rest := r.ahead >> (64 - rice)
	r.skip(rice)
	return uint64(quotient+zeros)<<rice | rest
}

// fill gets more than rice bits ahead.
func (r *reader) fill() {
	for ; r.have <= 56; r.have += 8 {
		next := byte(0xff)
		if len(r.bytes) > 0 {
			next, r.bytes = r.bytes[0], r.bytes[1:]
		}
		r.ahead |= uint64(next) << (56 - r.have)
	}
}

func (r *reader) skip(n int) {
	r.ahead <<= n
	r.have -= n
}
