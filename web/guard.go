package web

import (
	"context"
	"errors"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"cardea/auth"
	"cardea/store"
	"cardea/web/api"
	"cardea/web/caller"
	"cardea/web/console"
)

// guard lets a request through to its route when the caller's role is enough, and puts the caller into the context.
func (s *Server) guard(r route) fiber.Handler {
	return func(c *fiber.Ctx) error {
		who, err := s.identifyLinked(c, r)
		if err != nil {
			return err
		}
		if err := s.limitCaller(c, r, who); err != nil {
			return err
		}
		if r.handler.act != "" && who.Role != caller.Console {
			if err := s.cfg.Auth.Pace(s.ctx, r.handler.act, who.Addr, who.UserID, who.Device); err != nil {
				return err
			}
		}
		if who.Role < r.role {
			if err := s.cfg.NVR.Denied(s.ctx, who.Actor(), r.method+" "+r.path); err != nil {
				return err
			}
			if r.role == caller.Console {
				return problem(fiber.StatusForbidden, "Only the `cardea` command on the machine itself may do this.")
			}
			return problem(fiber.StatusForbidden, "Your account may not do this. Ask an owner of this NVR.")
		}
		if err := s.conditions(r, who); err != nil {
			return err
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
		return caller.Caller{Role: caller.Console, Name: "console", Sight: auth.SeesAll()}, nil
	}
	addr, remote := addrOf(c.Context().RemoteAddr())
	who := caller.Caller{Addr: addr, Remote: remote, Agent: c.Get(fiber.HeaderUserAgent), Host: string(c.Request().Header.Host())}
	text, isToken := bearer(c)
	if !isToken { // who sends a token is nobody else, whatever cookie comes along
		who.Token = c.Cookies(api.SessionCookie)
	}
	if need == caller.Anyone {
		return who, nil
	}
	if isToken {
		return s.program(who, text)
	}
	user, session, err := s.cfg.Auth.Session(s.ctx, who.Token)
	if err != nil {
		return who, err
	}
	who.Be(user)
	who.Expires, who.Session, who.Device = session.Expires, session, session.ID
	who.Alive = func(ctx context.Context) (bool, error) { return s.cfg.Auth.Alive(ctx, session) }
	return who, nil
}

// program identifies whom an API token speaks for.
func (s *Server) program(who caller.Caller, text string) (caller.Caller, error) {
	user, key, err := s.cfg.Auth.ByToken(s.ctx, text, who.Addr)
	if err != nil {
		return who, err
	}
	who.Be(user)
	who.Expires, who.Key, who.Device = key.Expires, key, "token "+key.ID.String()
	who.Alive = func(ctx context.Context) (bool, error) {
		now, _, err := s.cfg.Auth.ByToken(ctx, text, who.Addr)
		var refused *auth.Error
		if errors.As(err, &refused) {
			return false, nil
		}
		return err == nil && reflect.DeepEqual(now, user), err
	}
	return who, nil
}

// bearer is the token of a program (RFC 6750, 2.1).
func bearer(c *fiber.Ctx) (string, bool) {
	scheme, text, _ := strings.Cut(c.Get(fiber.HeaderAuthorization), " ")
	return strings.TrimSpace(text), strings.EqualFold(scheme, "Bearer")
}

// conditions are what a route asks for beside the role.
func (s *Server) conditions(r route, who caller.Caller) error {
	if who.Role == caller.Console || r.role == caller.Anyone {
		return nil
	}
	isToken := who.Key.ID != store.ID{}
	switch {
	case isToken && r.handler.person:
		return problem(fiber.StatusForbidden, "A token may not do this; a person who is signed in may.")
	case isToken && !who.Key.Allows(r.need()):
		return problem(fiber.StatusForbidden, "This token does not have the scope `"+string(r.need())+"`, which this needs.")
	case r.handler.stepUp && !isToken && !s.cfg.Auth.Fresh(who.Session):
		return &huma.ErrorModel{
			Type: "step-up-required", Status: fiber.StatusForbidden, Title: "Confirm that it is you",
			Detail: "This needs a fresh proof of who you are. Type a code or your password, or use a passkey, and try again.",
		}
	}
	if r.role < caller.Owner {
		return nil
	}
	allowed, err := s.cfg.Auth.Administers(s.ctx, who.Home())
	if err == nil && !allowed {
		err = problem(fiber.StatusForbidden, "This NVR is administered from certain addresses only, and yours is none of them. `cardea users allow-list clear` on the box opens it again.")
	}
	return err
}

// consoleConn reports whether a request came through the admin socket.
func consoleConn(c *fiber.Ctx) bool {
	_, ok := c.Context().Conn().(console.Conn)
	return ok
}
