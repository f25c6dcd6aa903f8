package assets_test

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"cardea/assets"
)

// hashed is a name with Vite's hash, eight characters of base64url, which may hold a dash.
var hashed = regexp.MustCompile(`^.+-[A-Za-z0-9_-]{8}\.[a-z0-9]+(\.br|\.gz)?$`)

// TestFiles checks what the web server relies on: with a build inside, the page is there and everything that may
// be cached for ever has a hash in its name; without one, nothing is offered.
func TestFiles(t *testing.T) {
	files := assets.Files()
	_, err := fs.Stat(files, assets.Index)
	if built := err == nil; built != assets.Built() {
		t.Fatalf("Built() = %v, but stat %s: %v", assets.Built(), assets.Index, err)
	}
	if !assets.Built() {
		t.Skip("no build of the app in assets/dist")
	}
	page, err := fs.ReadFile(files, assets.Index)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<style", "style=\"", "onload=", "javascript:"} {
		if strings.Contains(string(page), bad) {
			t.Errorf("%s holds %q, which the content security policy refuses", assets.Index, bad)
		}
	}
	if strings.Contains(string(page), "src=\"./") || strings.Contains(string(page), "href=\"./") {
		t.Errorf("%s links by relative paths", assets.Index)
	}
	err = fs.WalkDir(files, "assets", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if !hashed.MatchString(d.Name()) {
			t.Errorf("%s has no hash in its name", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
