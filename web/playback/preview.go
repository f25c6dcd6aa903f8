package playback

import (
	"fmt"

	"github.com/gofiber/fiber/v2"

	"cardea/store"
	"cardea/web/caller"
)

// ClipPreview answers GET and HEAD /api/clips/{id}/preview: the age ciphertext of a clip's preview, whole or one range of it.
func (p *Playback) ClipPreview(c *fiber.Ctx) error {
	id, err := store.ParseID(c.Params("id"))
	if err != nil {
		return err
	}
	who := caller.From(c.UserContext())
	if err := p.sees(c, who, id); err != nil {
		return err
	}
	file, err := p.nvr.OpenPreview(c.UserContext(), who.Actor(), id)
	if err != nil {
		return err
	}
	return serve(c, file, fmt.Sprintf(`"%s-preview-%d"`, id, file.Size), fiber.MIMEOctetStream, file.Size, nil)
}
