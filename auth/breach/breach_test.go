package breach

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// TestKnown: what leaked is known, also at the ends of the set; what nobody else chose is not.
func TestKnown(t *testing.T) {
	for _, word := range []string{"password", "123456789", "sunshine", "1qaz2wsx3edc", "7ujmko0admin", "iloveyou1", "administrator", "princess1"} {
		if !Known("correct horse battery", word) {
			t.Errorf("%s is not known", word)
		}
	}
	if Known("correct horse battery", "vier sätze über katzen", "seventeen quiet tortoises") || Known() {
		t.Error("a word of no list is known")
	}
	text, err := os.ReadFile("devices.txt")
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for line := range strings.Lines(string(text)) {
		if word := strings.ToLower(strings.TrimSpace(line)); len(word) >= Shortest {
			words = append(words, word)
		}
	}
	for i, known := range each(leaked, words) {
		if !known {
			t.Errorf("%s, which devices are delivered with, is not known", words[i])
		}
	}
}

// TestFalsePositives measures how often a word that is in no list is taken for one of them.
func TestFalsePositives(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const tries = 1_000_000
	words := make([]string, tries)
	for i := range words {
		words[i] = fmt.Sprintf("no list has %x", random.Uint64())
	}
	found := 0
	for _, word := range each(leaked, words) {
		if word {
			found++
		}
	}
	t.Logf("%d of %d: %.2g", found, tries, float64(found)/tries)
	if found == 0 || found > 3*tries>>rice { // 8 are expected
		t.Errorf("%d of %d", found, tries)
	}
}

// each is Known for each of words, in one pass.
func each(set []byte, words []string) []bool {
	count := uint32(set[0])<<24 | uint32(set[1])<<16 | uint32(set[2])<<8 | uint32(set[3])
	all := make(map[uint64]bool, count)
	in, at := reader{bytes: set[4:]}, uint64(0)
	for range count {
		at += in.step()
		all[at] = true
	}
	found := make([]bool, len(words))
	for i, word := range words {
		found[i] = all[number(word, count)]
	}
	return found
}

// TestEncode: each word that goes in is found again.
func TestEncode(t *testing.T) {
	var words []string
	for i := range 3000 {
		words = append(words, fmt.Sprintf("word number %d", i))
	}
	var set bytes.Buffer
	if err := encode(&set, words); err != nil {
		t.Fatal(err)
	}
	for _, word := range words {
		if !known(set.Bytes(), []string{word}) {
			t.Fatalf("%s was lost", word)
		}
	}
	if err := encode(&set, nil); err == nil {
		t.Error("an empty set was made")
	}
	for cut := range 40 { // a set that was cut off ends
		known(set.Bytes()[:cut], words)
	}
}

func BenchmarkKnown(b *testing.B) {
	for b.Loop() {
		Known("no list has this word", "nor that one, at the very end")
	}
}
