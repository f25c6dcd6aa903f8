package playback

import (
	"fmt"

	"github.com/gofiber/fiber/v2"
)

// ClipPreview answers GET and HEAD /api/clips/{id}/preview: the age ciphertext of a clip's preview, whole or one range of it.
func (p *Playback) ClipPreview(c *fiber.Ctx) error {
	id, who, err := p.asked(c)
	if err != nil {
		return err
	}
	file, err := p.nvr.OpenPreview(c.UserContext(), who.Actor(), id)
	if err != nil {
		return err
	}
	return serve(c, file, fmt.Sprintf(`"%s-preview-%d"`, id, file.Size), fiber.MIMEOctetStream, file.Size, nil)
}
