package playback

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"cardea/store"
	"cardea/web/caller"
)

// ClipData answers GET and HEAD /api/clips/{id}/data: the age ciphertext of a clip as it lies on the disk, whole or
// one range of it (RFC 9110, 14). An open clip has the length that is durable by now; its ETag changes as it grows,
// so If-Range never joins two states.
func (p *Playback) ClipData(c *fiber.Ctx) error {
	id, who, err := p.asked(c)
	if err != nil {
		return err
	}
	clip, err := p.nvr.OpenClip(c.UserContext(), who.Actor(), id)
	if err != nil {
		return err
	}
	return serve(c, clip, fmt.Sprintf(`"%s-%d"`, id, clip.Size), fiber.MIMEOctetStream, clip.Size, nil)
}

// asked gives the clip that the path names and whoever asks for it. It refuses a clip of a camera that the caller does not see, before it
// is opened, which goes down in the access log.
func (p *Playback) asked(c *fiber.Ctx) (store.ID, caller.Caller, error) {
	who := caller.From(c.UserContext())
	id, err := store.ParseID(c.Params("id"))
	if err != nil || who.Sight.All() {
		return id, who, err
	}
	row, err := p.nvr.Clip(c.UserContext(), id)
	if err == nil && !who.Sees(row.Camera) {
		err = store.Errorf(store.NotFound, "there is no clip %s", id)
	}
	return id, who, err
}

// content is what can be served by ranges. serve closes it.
type content interface {
	io.ReaderAt
	io.Closer
}

// serve answers with size bytes of body, whole or one range of it. allowed are the spans that may be seen, nil for all: a request for
// anything else is refused.
func serve(c *fiber.Ctx, body content, tag, mediaType string, size int64, allowed [][2]int64) error {
	c.Set(fiber.HeaderETag, tag)
	c.Set(fiber.HeaderAcceptRanges, "bytes")
	c.Set(fiber.HeaderContentType, mediaType)
	c.Set(fiber.HeaderCacheControl, "no-store")
	if c.Get(fiber.HeaderIfNoneMatch) == tag {
		body.Close()
		return c.SendStatus(fiber.StatusNotModified)
	}
	span, ok, status := byteSpan{0, size}, true, fiber.StatusOK
	if header := c.Get(fiber.HeaderRange); header != "" {
		if condition := c.Get(fiber.HeaderIfRange); condition == "" || condition == tag {
			var ranged bool
			if span, ranged, ok = parseRange(header, size); ranged {
				status = fiber.StatusPartialContent
			}
		}
	}
	if !ok {
		body.Close()
		c.Set(fiber.HeaderContentRange, fmt.Sprintf("bytes */%d", size))
		return fiber.NewError(fiber.StatusRequestedRangeNotSatisfiable)
	}
	within := func(a [2]int64) bool { return a[0] <= span.from && span.to <= a[1] }
	if allowed != nil && !slices.ContainsFunc(allowed, within) {
		body.Close()
		return store.Errorf(store.Denied, "the link does not show this part of the recording")
	}
	if status == fiber.StatusPartialContent {
		c.Set(fiber.HeaderContentRange, fmt.Sprintf("bytes %d-%d/%d", span.from, span.to-1, size))
	}
	c.Status(status)
	// fasthttp closes the stream when the answer is out or the client is gone, and sends no body for HEAD.
	c.Context().SetBodyStream(&clipBody{io.NewSectionReader(body, span.from, span.to-span.from), body}, int(span.to-span.from))
	return nil
}

type clipBody struct {
	io.Reader
	io.Closer
}

// byteSpan is [from, to) in bytes.
type byteSpan struct{ from, to int64 }

// parseRange reads a Range header for a body of size bytes. ranged is false when the header is to be ignored, as
// RFC 9110 wants for other units, for what cannot be read, and allows for more than one range; ok is false when the
// range lies outside.
func parseRange(header string, size int64) (span byteSpan, ranged, ok bool) {
	whole := byteSpan{0, size}
	set, found := strings.CutPrefix(header, "bytes=")
	if !found || strings.Contains(set, ",") {
		return whole, false, true
	}
	first, last, found := strings.Cut(strings.TrimSpace(set), "-")
	if !found {
		return whole, false, true
	}
	if first == "" {
		n, valid := digits(last)
		switch {
		case !valid:
			return whole, false, true
		case n == 0 || size == 0:
			return whole, false, false
		}
		return byteSpan{max(0, size-n), size}, true, true
	}
	from, valid := digits(first)
	if !valid {
		return whole, false, true
	}
	to := size
	if last != "" {
		n, valid := digits(last)
		if !valid || n < from {
			return whole, false, true
		}
		to = min(size, n+1)
	}
	if from >= size {
		return whole, false, false
	}
	return byteSpan{from, to}, true, true
}

// digits reads a number without sign. What does not fit is as good as the largest number.
func digits(s string) (n int64, ok bool) {
	if s == "" {
		return 0, false
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n >= (1<<62)/10 {
			n = 1 << 62
			continue
		}
		n = n*10 + int64(c-'0')
	}
	return min(n, 1<<62), true
}
