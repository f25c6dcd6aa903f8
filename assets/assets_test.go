package assets_test

import (
	"io/fs"
	"strings"
	"testing"

	"cardea/assets"
)

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
		name := strings.TrimSuffix(strings.TrimSuffix(d.Name(), ".gz"), ".br")
		dash := strings.LastIndexByte(name, '-')
		if dash < 0 || len(name)-dash < 9 {
			t.Errorf("%s has no hash in its name", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
