// Command make writes the set of package breach from lists of passwords, one a line, that are named as arguments (gzipped where the name
// ends in .gz). README.md of the package names the lists.
package main

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"cardea/auth/breach"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(lists []string) error {
	var words []string
	for _, name := range lists {
		more, err := read(name)
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		words = append(words, more...)
	}
	slices.Sort(words)
	words = slices.Compact(words)
	fmt.Fprintln(os.Stderr, len(words), "words")
	return breach.Encode(os.Stdout, words)
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
		if utf8.ValidString(word) && utf8.RuneCountInString(word) >= breach.Shortest {
			words = append(words, word)
		}
	}
	return words, lines.Err()
}
