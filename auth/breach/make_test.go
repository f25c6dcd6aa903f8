package breach

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"flag"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

var lists = flag.String("lists", "", "lists of passwords, with commas between them, that leaked.gcs is made from again; README.md names them")

// TestMake makes leaked.gcs from lists of passwords, one a line, gzipped where the name ends in .gz. It does nothing unless -lists names some.
func TestMake(t *testing.T) {
	if *lists == "" {
		t.Skip("no -lists")
	}
	var words []string
	for _, name := range strings.Split(*lists, ",") {
		more, err := read(name)
		if err != nil {
			t.Fatal(err)
		}
		words = append(words, more...)
	}
	slices.Sort(words)
	words = slices.Compact(words)
	var set bytes.Buffer
	if err := errors.Join(encode(&set, words), os.WriteFile("leaked.gcs", set.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d words, %d bytes", len(words), set.Len())
}

// read gives the words of a list that are long enough, in the form in which auth asks for them.
func read(name string) (words []string, err error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var in io.Reader = file
	if strings.HasSuffix(name, ".gz") {
		if in, err = gzip.NewReader(file); err != nil {
			return nil, err
		}
	}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		word := strings.ToLower(norm.NFC.String(strings.TrimRight(lines.Text(), "\r")))
		if utf8.ValidString(word) && utf8.RuneCountInString(word) >= Shortest {
			words = append(words, word)
		}
	}
	return words, lines.Err()
}

// encode writes the set of words. Words that fall on the same number are one.
func encode(w io.Writer, words []string) error {
	if len(words) == 0 || uint64(len(words)) > 1<<31 {
		return errors.New("a set needs at least one word, and has room for 2^31")
	}
	count := uint32(len(words))
	numbers := make([]uint64, count)
	for i, word := range words {
		numbers[i] = number(word, count)
	}
	slices.Sort(numbers)
	var out writer
	var before uint64
	for _, n := range numbers { // a step of zero stands for a word that fell on another one, so that count stays true
		out.step(n - before)
		before = n
	}
	buffered := bufio.NewWriter(w)
	binary.Write(buffered, binary.BigEndian, count)
	buffered.Write(out.close())
	return buffered.Flush()
}

type writer struct {
	out  bytes.Buffer
	last byte
	bit  uint
}

func (w *writer) step(n uint64) {
	for range n >> rice {
		w.put(0)
	}
	w.put(1)
	for i := rice - 1; i >= 0; i-- {
		w.put(byte(n >> i & 1))
	}
}

func (w *writer) put(b byte) {
	w.last |= b << (7 - w.bit)
	if w.bit++; w.bit == 8 {
		w.out.WriteByte(w.last)
		w.last, w.bit = 0, 0
	}
}

func (w *writer) close() []byte {
	if w.bit > 0 {
		w.out.WriteByte(w.last)
	}
	return w.out.Bytes()
}
