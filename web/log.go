package web

import (
	"strings"

	"github.com/gofiber/fiber/v2"

	"cardea/store"
)

// logFile gives the files of a log to whoever follows it with the public tools of C2SP tlog-tiles. They hold commitments: what can be
// learned is how many records there are, and when they came.
func (s *Server) logFile(c *fiber.Ctx) error {
	name, err := store.ParseLogName(c.Params("log"))
	if err != nil {
		return fiber.ErrNotFound
	}
	_, path, _ := strings.Cut(strings.TrimPrefix(c.Path(), "/log/"), "/")
	data, err := s.cfg.NVR.LogFile(name, path)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, "text/plain; charset=utf-8")
	c.Set(fiber.HeaderCacheControl, "no-cache")
	if strings.HasPrefix(path, "tile/") {
		c.Set(fiber.HeaderContentType, fiber.MIMEOctetStream)
		if !strings.Contains(path, ".p/") {
			c.Set(fiber.HeaderCacheControl, "private, max-age=31536000, immutable") // a full tile never changes
		}
	}
	return c.Send(data)
}
