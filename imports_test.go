package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mayImport lists, for each top-level package, the other ones that it and its children may import. Within a tree the
// parent imports its children and never the reverse.
var mayImport = map[string][]string{
	"camera": {},
	"store":  {},
	"assets": {},
	"nvr":    {"camera", "store"},
	"auth":   {"store"},
	"web":    {"nvr", "auth", "camera", "store", "assets"},
	"":       {"nvr", "auth", "camera", "store", "assets", "web"}, // main
	"test":   {"nvr", "auth", "camera", "store", "assets", "web"},
}

// fences keep a third-party module in few places, so that each can be replaced there. A pattern names the packages that
// may import it, with their children.
var fences = map[string][]string{
	"github.com/bluenviron/gortsplib":  {"camera/rtsp", "camera/agent"},
	"github.com/mattn/go-sqlite3":      {"store"},
	"database/sql":                     {"store"},
	"filippo.io/age":                   {"store/vault"},
	"filippo.io/nistec":                {"camera/pairing"},
	"github.com/google/go-tpm":         {"camera/agent"},
	"golang.org/x/mod":                 {"store/tlog"},
	"github.com/gofiber":               {"web"},
	"github.com/danielgtaylor/huma":    {"web"},
	"github.com/valyala/fasthttp":      {"web", ""},
	"github.com/fasthttp/websocket":    {"web"},
	"github.com/caddyserver/certmagic": {"web/tls"},
	"github.com/grandcat/zeroconf":     {"camera/discovery"},
	"github.com/miekg/dns":             {"camera/discovery", "test"},
	"github.com/pion/webrtc":           {"nvr/webrtc"},
	"github.com/pion/ice":              {"nvr/webrtc"},
	"github.com/pion/dtls":             {"nvr/webrtc"},
	"github.com/pion/sdp":              {"nvr/webrtc"},
	"github.com/pion/interceptor":      {"nvr/webrtc"},
	"github.com/pquerna/otp":           {"auth"},
	"github.com/go-webauthn":           {"auth"},
	"github.com/alecthomas/kong":       {""},
	"github.com/hanwen/go-fuse":        {"test/faulty"},
}

// TestImports parses every file itself: a test that asked `go list` would be stale in Go's test cache.
func TestImports(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (slices.Contains([]string{"node_modules", "testdata", "bin", "build"}, d.Name()) || path != "." && strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go"):
			return nil
		}
		files++
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		if dir == "." {
			dir = ""
		}
		for _, spec := range parsed.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if why := forbidden(dir, name, strings.HasSuffix(path, "_test.go")); why != "" {
				t.Errorf("%s imports %s: %s", path, name, why)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 100 {
		t.Errorf("only %d files were found", files)
	}
}

// forbidden says why a package in dir may not import name, "" when it may. Tests may use whatever helps them judge, but
// not turn the house around.
func forbidden(dir, name string, isTest bool) string {
	if own, ok := strings.CutPrefix(name, "cardea/"); ok {
		from, to := top(dir), top(own)
		switch {
		case from != to && !isTest && !slices.Contains(mayImport[from], to):
			return "arrows point the other way"
		case from == to && dir != own && within(dir, own) && !isTest:
			return "a child does not import its parent"
		}
		return ""
	}
	if isTest || top(dir) == "test" {
		return ""
	}
	for module, places := range fences {
		if name != module && !strings.HasPrefix(name, module+"/") {
			continue
		}
		if !slices.ContainsFunc(places, func(place string) bool { return dir == place || place != "" && within(dir, place) }) {
			return "it stays in " + strings.Join(places, ", ")
		}
	}
	return ""
}

func top(dir string) string {
	first, _, _ := strings.Cut(dir, "/")
	return first
}

// within reports whether dir is below parent.
func within(dir, parent string) bool { return strings.HasPrefix(dir+"/", parent+"/") }
