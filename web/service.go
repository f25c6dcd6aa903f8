package web

import (
	"bytes"
	"io"
	"strings"

	"github.com/gofiber/fiber/v2"

	"cardea/store"
	"cardea/web/api"
	"cardea/web/caller"
)

// healthz answers as soon as the rests of the last run are settled, and tells nothing.
func (s *Server) healthz(c *fiber.Ctx) error {
	select {
	case <-s.cfg.NVR.Ready():
		return c.SendString("ok\n")
	default:
		return problem(fiber.StatusServiceUnavailable, "The NVR is starting.")
	}
}

// Authority is the certificate authority that browsers may be told to trust; auth/ca has one.
type Authority interface {
	api.Authority
	RootDER() []byte
	RootPEM() []byte
	// MobileConfig is a configuration profile for iOS that installs the root.
	MobileConfig() []byte
}

func caDER(a Authority) (string, []byte)     { return "cardea-ca.crt", a.RootDER() }
func caPEM(a Authority) (string, []byte)     { return "cardea-ca.pem", a.RootPEM() }
func caProfile(a Authority) (string, []byte) { return "cardea-ca.mobileconfig", a.MobileConfig() }

// mediaTypes of the downloads of the authority, by ending.
var mediaTypes = map[string]string{
	"crt": "application/x-x509-ca-cert", "pem": "application/x-pem-file", "mobileconfig": "application/x-apple-aspen-config",
}

// download answers with one form of the root certificate.
func (s *Server) download(form func(Authority) (name string, body []byte)) fiber.Handler {
	return func(c *fiber.Ctx) error {
		if s.cfg.CA == nil {
			return fiber.ErrNotFound
		}
		name, body := form(s.cfg.CA)
		c.Set(fiber.HeaderContentType, mediaTypes[name[strings.LastIndexByte(name, '.')+1:]])
		c.Set(fiber.HeaderContentDisposition, `attachment; filename="`+name+`"`)
		c.Set(fiber.HeaderCacheControl, "no-cache")
		return c.Send(body)
	}
}

// replaceTorn takes a clip that `cardea clips salvage` made whole.
func (s *Server) replaceTorn(c *fiber.Ctx) error {
	id, err := store.ParseID(c.Params("id"))
	if err != nil {
		return err
	}
	var body io.Reader = c.Context().RequestBodyStream()
	if c.Context().RequestBodyStream() == nil {
		body = bytes.NewReader(c.Body())
	}
	if _, err := s.cfg.NVR.ReplaceTorn(c.UserContext(), caller.From(c.UserContext()).Actor(), id, body); err != nil {
		return err
	}
	return c.SendStatus(fiber.StatusNoContent)
}

// claimURL is where a token claims the NVR; the token stands behind the # and reaches no log.
func (s *Server) claimURL(token string) string { return s.cfg.BaseURL() + "/claim#" + token }

// inviteURL is where a token makes an account.
func (s *Server) inviteURL(token string) string { return s.cfg.BaseURL() + "/invite#" + token }
