package web

import (
	"context"
	"net/netip"

	"github.com/gofiber/fiber/v2"

	"cardea/web/api"
	"cardea/web/caller"
	"cardea/web/console"
)

// guard lets a request through to its route when the caller's role is enough, and puts the caller into the context.
func (s *Server) guard(r route) fiber.Handler {
	return func(c *fiber.Ctx) error {
		who, err := s.identify(c, r.role)
		if err != nil {
			return err
		}
		if who.Role < r.role {
			if r.role == caller.Console {
				return problem(fiber.StatusForbidden, "Only the `cardea` command on the machine itself may do this.")
			}
			return problem(fiber.StatusForbidden, "Your account may not do this. Ask an owner of this NVR.")
		}
		ctx, cancel := context.WithTimeout(caller.With(s.ctx, who), requestTimeout)
		defer cancel()
		c.SetUserContext(ctx)
		return c.Next()
	}
}

// identify finds out who calls. A route for anyone costs no look-up.
func (s *Server) identify(c *fiber.Ctx, need caller.Role) (caller.Caller, error) {
	if consoleConn(c) {
		return caller.Caller{Role: caller.Console, Name: "console"}, nil
	}
	who := caller.Caller{Addr: peer(c), Agent: c.Get(fiber.HeaderUserAgent), Token: c.Cookies(api.SessionCookie)}
	if need == caller.Anyone {
		return who, nil
	}
	user, session, err := s.cfg.Auth.Session(s.ctx, who.Token)
	if err != nil {
		return who, err
	}
	who.Role, who.UserID, who.Name, who.Expires = caller.ParseRole(string(user.Role)), user.ID, user.Name, session.Expires
	return who, nil
}

// peer is the address at the other end of the connection.
func peer(c *fiber.Ctx) netip.Addr { return addrOf(c.Context().RemoteAddr()) }

// consoleConn reports whether a request came through the admin socket.
func consoleConn(c *fiber.Ctx) bool {
	_, ok := c.Context().Conn().(console.Conn)
	return ok
}
