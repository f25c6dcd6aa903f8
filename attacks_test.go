package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestAttackTable holds docs/attacks.md to the tree: there is one row for each attack, a row names a test or says why there is none, and each
// test that it names is there and says in its name, its comment or its body which attack it is.
func TestAttackTable(t *testing.T) {
	text, err := os.ReadFile("docs/attacks.md")
	noError(t, err)
	const last = 86
	rows := map[int]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| (\d+) \| ([^|]+) \| ([^|]+) \|$`).FindAllStringSubmatch(string(text), -1) {
		number, err := strconv.Atoi(row[1])
		noError(t, err)
		if rows[number] {
			t.Errorf("attack %d has two rows", number)
		}
		rows[number] = true
		tests := regexp.MustCompile("`([^`:]+): ([^`]+)`").FindAllStringSubmatch(row[3], -1)
		if len(tests) == 0 && !strings.Contains(row[3], "not yet: ") {
			t.Errorf("attack %d has neither a test nor a reason", number)
		}
		for _, test := range tests {
			body := named(t, test[1], test[2])
			if body == "" {
				t.Errorf("attack %d: there is no %s in %s", number, test[2], test[1])
			} else if !says(test[2]+"\n"+body, number) {
				t.Errorf("attack %d: %s in %s does not say that it is this attack", number, test[2], test[1])
			}
		}
	}
	for number := 1; number <= last; number++ {
		if !rows[number] {
			t.Errorf("attack %d has no row", number)
		}
	}
}

// named finds a test with its comment and body; "" when there is none. where is a folder of Go, or a file of tests in the browser.
func named(t *testing.T, where, name string) string {
	t.Helper()
	if strings.HasSuffix(where, ".mjs") {
		text, err := os.ReadFile(where)
		noError(t, err)
		_, body, found := strings.Cut(string(text), "test('"+name+"'")
		if !found {
			return ""
		}
		return body
	}
	if where == "cardea" {
		where = "."
	}
	files, err := filepath.Glob(filepath.Join(where, "*_test.go"))
	noError(t, err)
	function := regexp.MustCompile(`(?m)(^//.*\n)*^func ` + regexp.QuoteMeta(name) + `\(`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		noError(t, err)
		if at := function.FindIndex(text); at != nil {
			body, _, _ := strings.Cut(string(text[at[0]:]), "\n}\n")
			return body
		}
	}
	return ""
}

// says reports whether a test names the number of an attack: "attack case 65", "cases 36 to 38 and 42", "TestAttack08", or a part called "80 edit a record".
func says(test string, number int) bool {
	if regexp.MustCompile(fmt.Sprintf(`Attack0*%d(\D|$)|"0*%d [a-zA-Z]`, number, number)).MatchString(test) {
		return true
	}
	for _, list := range regexp.MustCompile(`(?i)(?:attacks?|cases?) ?((?:\d+(?:, | ?to ?| and )?)+)`).FindAllStringSubmatch(test, -1) {
		for _, span := range regexp.MustCompile(`(\d+)(?: ?to ?(\d+))?`).FindAllStringSubmatch(list[1], -1) {
			from, _ := strconv.Atoi(span[1])
			to, _ := strconv.Atoi(span[2])
			if number == from || from < number && number <= to {
				return true
			}
		}
	}
	return false
}
