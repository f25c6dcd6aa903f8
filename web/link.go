package web

import (
	"context"
	"errors"

	"github.com/gofiber/fiber/v2"

	"cardea/auth"
	"cardea/web/api"
	"cardea/web/caller"
)

// linkParam carries a permission that was signed for the path that it stands on (POST /api/links).
const linkParam = "link"

// identifyLinked finds out who calls a route that may be called by a signed link.
func (s *Server) identifyLinked(c *fiber.Ctx, r route) (caller.Caller, error) {
	text := c.Query(linkParam)
	if !r.handler.linked || text == "" || consoleConn(c) {
		return s.identify(c, r.role)
	}
	addr, remote := addrOf(c.Context().RemoteAddr())
	who := caller.Caller{Addr: addr, Remote: remote, Agent: c.Get(fiber.HeaderUserAgent), Host: string(c.Request().Header.Host())}
	grant, err := s.links.Open(text, fiber.MethodGet, c.Path())
	if err != nil {
		return who, errLink()
	}
	id, name, ok := api.ReadLinkHolder(grant.Holder)
	if !ok {
		return who, errLink()
	}
	user, session, err := s.cfg.Auth.SessionByID(s.ctx, id, name)
	if refused := new(auth.Error); errors.As(err, &refused) {
		return who, errLink() // it was ended since
	}
	if err != nil {
		return who, err
	}
	who.Be(user)
	who.Expires, who.Session, who.Device = session.Expires, session, session.ID
	who.Alive = func(ctx context.Context) (bool, error) { return s.cfg.Auth.Alive(ctx, session) }
	return who, nil
}

func errLink() error {
	return problem(fiber.StatusForbidden, "This link is not valid, or not any more. Make a new one.")
}
