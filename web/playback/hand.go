package playback

import (
	"context"
	"fmt"
	"io"

	"github.com/gofiber/fiber/v2"

	"cardea/store"
	"cardea/web/api"
	"cardea/web/caller"
)

// ViewHeader carries the permission of a guest who has opened a link.
const ViewHeader = "Cardea-View"

// SharedData answers GET and HEAD /api/s/{id}/clips/{clip}/data, to anybody who has opened the link lately: the age ciphertext of a
// clip, or as much of it as the link covers.
func (p *Playback) SharedData(c *fiber.Ctx) error {
	share, err := store.ParseID(c.Params("id"))
	if err != nil {
		return fiber.ErrNotFound
	}
	clip, err := store.ParseID(c.Params("clip"))
	if err != nil {
		return fiber.ErrNotFound
	}
	view, err := p.links.Open(c.Get(ViewHeader), fiber.MethodGet, api.ViewPath(share))
	if err != nil || string(view.Holder) != string(share[:]) {
		if _, err := p.nvr.Shared(c.UserContext(), share); err != nil {
			return err
		}
		return store.Errorf(store.Denied, "open the link again; its view is over")
	}
	file, spans, err := p.nvr.SharedClip(c.UserContext(), caller.From(c.UserContext()).Actor(), share, clip)
	if err != nil {
		return err
	}
	return serve(c, file, fmt.Sprintf(`"%s-%d"`, clip, file.Size), fiber.MIMEOctetStream, file.Size, spans)
}

// ClipVideo answers GET and HEAD /api/clips/{id}/video: the plaintext MP4 of a clip whose vault is open.
func (p *Playback) ClipVideo(c *fiber.Ctx) error {
	id, who, err := p.asked(c)
	if err != nil {
		return err
	}
	video, err := p.nvr.OpenVideo(c.UserContext(), who.Actor(), id)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentDisposition, `inline; filename="`+id.String()+`.mp4"`)
	return serve(c, video, fmt.Sprintf(`"%s-%d-video"`, id, video.Size), "video/mp4", video.Size, nil)
}

// EvidenceFile answers GET /api/evidence/{id}: a bundle that was prepared, as a ZIP. It is made while it is sent. An error on the way
// ends the connection, so that the client notices.
func (p *Playback) EvidenceFile(c *fiber.Ctx) error {
	id, err := store.ParseID(c.Params("id"))
	if err != nil {
		return err
	}
	who := caller.From(c.UserContext()).Actor()
	bundle, err := p.nvr.PreparedEvidence(who, id)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, "application/zip")
	c.Set(fiber.HeaderContentDisposition, `attachment; filename="cardea-evidence-`+id.String()+`.zip"`)
	c.Set(fiber.HeaderCacheControl, "no-store")
	if c.Method() == fiber.MethodHead {
		return nil
	}
	from, to := io.Pipe()
	stop := context.AfterFunc(p.ctx, func() { to.CloseWithError(context.Canceled) })
	p.sockets.wait.Go(func() {
		defer stop()
		err := p.nvr.WriteEvidence(p.ctx, who, bundle, to)
		if err != nil {
			p.log.Warn("evidence was not handed out whole", "err", err)
		}
		to.CloseWithError(err)
	})
	c.Context().SetBodyStream(from, -1) // closed by fasthttp, also when the client is gone
	return nil
}
