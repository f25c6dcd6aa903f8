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

// TestASVSTable holds the table of docs/security.md to the tree: one row for each item of OWASP ASVS 5.0 that binds this program, and each test that a row names is there.
func TestASVSTable(t *testing.T) {
	text, err := os.ReadFile("docs/security.md")
	noError(t, err)
	rows := map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| (\d+\.\d+\.\d+) \| ([123]) \| [^|]+ \| ([^|]+) \|$`).FindAllStringSubmatch(string(text), -1) {
		if rows[row[1]] {
			t.Errorf("%s has two rows", row[1])
		}
		rows[row[1]] = true
		tests := regexp.MustCompile("`([^`:]+): (Test[^`]+)`").FindAllStringSubmatch(row[3], -1)
		if len(tests) == 0 && !strings.HasPrefix(row[3], "none: ") {
			t.Errorf("%s has neither a test nor a reason", row[1])
		}
		for _, test := range tests {
			if named(t, test[1], test[2]) == "" {
				t.Errorf("%s: there is no %s in %s", row[1], test[2], test[1])
			}
		}
	}
	for _, item := range strings.Fields(`2.4.1 3.3.1 3.3.2 3.3.3 3.3.4 3.4.1 3.4.3 3.4.4 3.4.5 3.4.6 3.5.1 3.5.2 3.5.3 4.1.3 4.2.1 4.4.1 4.4.2 4.4.4 6.1.1 6.2.1 6.2.4 6.2.12
		6.3.2 6.3.3 6.4.1 6.4.3 6.5.1 6.5.2 6.5.3 6.5.4 6.5.5 7.2.3 7.2.4 7.3.1 7.3.2 7.4.1 7.4.3 7.5.1 7.5.2 8.2.2 12.1.1 12.1.3 12.2.2 12.3.4 16.3.1 16.3.2
		16.4.1 16.4.2 16.4.3 16.5.3`) {
		if !rows[item] {
			t.Errorf("%s has no row", item)
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
