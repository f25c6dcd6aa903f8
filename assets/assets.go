// Package assets carries the built web app inside the binary.
//
// The source is in ui/; `npm ci && npm run build` there writes dist/, which is not kept in the repository. A
// checkout without a build still compiles: Built then reports false and Files holds nothing to serve.
package assets

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Index is the name of the page that answers every route of the app.
const Index = "index.html"

// Files returns the built app, rooted so that Index is at the top and scripts, styles and fonts are below
// assets/. Names below assets/ contain a hash of their content and may be cached for ever; every other file may
// change with the next version. Beside a file there may be the same content compressed, NAME.br and NAME.gz.
func Files() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic("assets: " + err.Error()) // the embedded folder's name is a constant
	}
	return files
}

// Built reports whether the binary was compiled with the app inside.
func Built() bool {
	_, err := fs.Stat(dist, "dist/"+Index)
	return err == nil
}
