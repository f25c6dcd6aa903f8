package sentence

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// elsewhere are packages whose texts go to other programs, to files and to the command line.
var elsewhere = []string{
	"auth/ca", "auth/softkey", "camera/agent", "camera/isolation", "camera/onvif/sim", "nvr/evidence", "store/check", "store/migration", "store/parts",
	"store/tlog", "web/command", "web/console", "web/tls", "web/table.go", "web/metrics.go", "web/openapi.go", "nvr/backup/restore.go", "store/guard.go",
	"store/clipsdir.go", "store/snapshot.go", "web/sentence",
}

var (
	verb = regexp.MustCompile(`%[-+# 0]*[0-9.]*[a-zA-Z]`)
	// foreign is SQL, XML, HTTP, nftables and layouts of time.
	foreign = regexp.MustCompile(`[<>\n\t=]|PRAGMA|WHERE|SELECT|INSERT|UPDATE|DELETE|ORDER BY|VACUUM|2006-01|'self'| HTTP/1`)
	// logged are calls whose texts nobody sees but in the log of the program, or that store, not say.
	logged = []string{
		"Debug", "Info", "Warn", "DebugContext", "InfoContext", "WarnContext", "ErrorContext", "Log", "panic", "exec", "query", "Fprintf", "WriteString",
		"MustCompile", "Contains", "HasPrefix", "TrimPrefix", "CutPrefix", "Set", "Get",
	}
)

// TestSource reads the source: each sentence in it is in the list, or in unseen.txt because no screen can show it.
func TestSource(t *testing.T) {
	texts := map[string]string{} // where each one stands
	for _, top := range []string{"auth", "camera", "nvr", "store", "web"} {
		err := filepath.WalkDir(filepath.Join("../..", top), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if name, _ := filepath.Rel("../..", path); slices.Contains(elsewhere, filepath.ToSlash(name)) {
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
			if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			return readTexts(path, texts)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(texts) < 300 {
		t.Fatalf("only %d texts were found", len(texts))
	}
	raw, err := os.ReadFile("unseen.txt")
	if err != nil {
		t.Fatal(err)
	}
	unseen := map[string]bool{}
	for line := range strings.Lines(string(raw)) {
		if line = strings.TrimSuffix(line, "\n"); line != "" && !strings.HasPrefix(line, "#") {
			unseen[line] = true
		}
	}
	known := all()
	for text, where := range texts {
		if len(strings.Fields(verb.ReplaceAllString(text, ""))) < 3 {
			continue // a word, a label
		}
		listed := known.has(text)
		switch {
		case unseen[text] && listed:
			t.Errorf("%s: %q is in sentences.txt and in unseen.txt", where, text)
		case !unseen[text] && !listed:
			t.Errorf("%s: %q is in no language: put it into sentences.txt with a code and translate it in assets/ui/src/i18n/*/said.ts, "+
				"or into unseen.txt if no screen can show it", where, text)
		}
		delete(unseen, text)
	}
	for text := range unseen {
		t.Errorf("%q in unseen.txt is in the source no more", text)
	}
	texts["validation failed"] = "huma"
	for _, p := range known.patterns {
		for _, piece := range p.pieces {
			if len(piece) > 4 && !stands(piece, texts) {
				t.Errorf("%s: %q is in the source no more", p.code, piece)
			}
		}
	}
}

// has reports whether a format is a sentence of the list or, where the source puts a sentence together, a part of one.
func (l *list) has(format string) bool {
	filled := verb.ReplaceAllStringFunc(format, func(v string) string {
		switch v[len(v)-1] {
		case 'q':
			return `"x"`
		case 'd':
			return "7"
		case 'f':
			return "1.5"
		}
		return "x"
	})
	if l.find(filled, deepest) != nil {
		return true
	}
	pieces := verb.Split(format, -1)
	return slices.ContainsFunc(l.patterns, func(p pattern) bool {
		whole := "." + strings.Join(p.pieces, "{}") + "."
		return !slices.ContainsFunc(pieces, func(piece string) bool { return !strings.Contains(whole, strings.TrimSpace(piece)) })
	})
}

// stands reports whether a piece of a sentence is in the source, whole or put together of two.
func stands(piece string, texts map[string]string) bool {
	for text := range texts {
		for _, part := range verb.Split(strings.ReplaceAll(text, "%q", `"%s"`), -1) {
			if part = strings.TrimSuffix(part, "."); part != "" && (strings.Contains(part, piece) || strings.Contains(strings.ToLower(part[:1])+part[1:], piece) ||
				len(part) > 4 && strings.Contains(piece, strings.TrimSpace(part))) {
				return true
			}
		}
	}
	return false
}

func readTexts(path string, texts map[string]string) error {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, 0)
	if err != nil {
		return err
	}
	skip := map[ast.Node]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if n == nil || skip[n] {
			return false
		}
		switch n := n.(type) {
		case *ast.GenDecl:
			return n.Tok != token.IMPORT
		case *ast.Field:
			if n.Tag != nil {
				skip[n.Tag] = true
			}
		case *ast.CallExpr:
			name := called(n.Fun)
			if slices.Contains(logged, name) {
				return false
			}
			if text, ok := constant(first(n.Args)); ok && name == "Errorf" && strings.Contains(text, "%w") {
				return false // for the log
			}
			if name == "Error" && len(n.Args) > 1 {
				return false // of a logger
			}
		case ast.Expr:
			text, ok := constant(n)
			if !ok {
				break
			}
			if !foreign.MatchString(text) {
				texts[text] = files.Position(n.Pos()).String()
			}
			return false
		}
		return true
	})
	return nil
}

func first(args []ast.Expr) ast.Expr {
	if len(args) == 0 {
		return nil
	}
	return args[0]
}

func called(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// constant is a text, where strings are added up with %s for what is not constant.
func constant(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			text, err := strconv.Unquote(e.Value)
			return text, err == nil
		}
	case *ast.BinaryExpr:
		left, isLeft := constant(e.X)
		right, isRight := constant(e.Y)
		if e.Op != token.ADD || !isLeft && !isRight {
			return "", false
		}
		if !isLeft {
			left = "%s"
		}
		if !isRight {
			right = "%s"
		}
		return left + right, true
	case *ast.ParenExpr:
		return constant(e.X)
	}
	return "", false
}
