package web

import (
	"errors"
	"io/fs"
	"mime"
	"path"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// indexName is the page that answers every route of the app.
const indexName = "index.html"

// unbuiltPage stands in for the app in a binary that was compiled without it.
const unbuiltPage = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Cardea</title>
<h1>Cardea is running</h1><p>This binary was compiled without the web app. <code>make build</code> builds both.</p></html>
`

// compressed lists the codings that may stand beside a file, the smaller one first.
var compressed = [...]struct{ coding, suffix string }{{"br", ".br"}, {"gzip", ".gz"}}

// serveApp answers with a file of the built app, and with its index for every path that is a route of the app.
func (s *Server) serveApp(c *fiber.Ctx) error {
	name := strings.TrimPrefix(path.Clean("/"+c.Path()), "/")
	switch {
	case name == "api" || strings.HasPrefix(name, "api/"):
		return fiber.ErrNotFound
	case name == "" || !strings.Contains(path.Base(name), "."):
		name = indexName
	}
	err := s.sendFile(c, name)
	if errors.Is(err, fs.ErrNotExist) {
		if name == indexName {
			c.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
			return c.SendString(unbuiltPage)
		}
		return fiber.ErrNotFound
	}
	return err
}

func (s *Server) sendFile(c *fiber.Ctx, name string) error {
	stored := name
	for _, v := range compressed {
		if _, err := fs.Stat(s.cfg.App, name+v.suffix); err == nil {
			c.Vary(fiber.HeaderAcceptEncoding)
			if accepts(c.Get(fiber.HeaderAcceptEncoding), v.coding) {
				stored = name + v.suffix
				c.Set(fiber.HeaderContentEncoding, v.coding)
				break
			}
		}
	}
	body, err := fs.ReadFile(s.cfg.App, stored)
	if err != nil {
		c.Response().Header.Del(fiber.HeaderContentEncoding)
		return err
	}
	c.Set(fiber.HeaderContentType, contentType(name))
	if strings.HasPrefix(name, "assets/") {
		// The name holds a hash of the content, so it never changes.
		c.Set(fiber.HeaderCacheControl, "public, max-age=31536000, immutable")
	} else {
		c.Set(fiber.HeaderCacheControl, "no-cache")
	}
	return c.Send(body)
}

// accepts reports whether an Accept-Encoding header names a coding without refusing it by q=0 (RFC 9110, 12.5.3).
func accepts(header, coding string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(name), coding) {
			q := strings.ReplaceAll(params, " ", "")
			return q != "q=0" && !strings.HasPrefix(q, "q=0.000") && q != "q=0.0" && q != "q=0.00"
		}
	}
	return false
}

// contentType goes by the ending and not by the system's MIME table, which differs from box to box.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return fiber.MIMETextHTMLCharsetUTF8
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".json", ".map":
		return "application/json"
	case ".webmanifest":
		return "application/manifest+json"
	case ".png":
		return "image/png"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	case ".wasm":
		return "application/wasm"
	case ".txt":
		return "text/plain; charset=utf-8"
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}
