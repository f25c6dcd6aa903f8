package web

import (
	"encoding/json"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"cardea/web/api"
)

// humaConfig is plain JSON without huma's extras: no $schema links in the answers, no pages of its own.
func humaConfig(version string) huma.Config {
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title:   "Cardea",
				Version: version,
				Description: "The API of a Cardea NVR. Sign in with POST /api/session; the cookie it sets is the session. " +
					"Methods that change something need an Origin equal to the host. Programs use an API token instead of both, " +
					"within its scopes (x-scope). Errors are problem documents (RFC 9457); their type is step-up-required where the person has to " +
					"prove once more who they are (x-step-up), approval-required where a second owner has to agree, camera-unusable where a camera " +
					"cannot be used and camera-key where its key has to be confirmed; code and params say the detail to a screen of another language. " +
					"x-role names the least role that may use an operation.",
			},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"session": {Type: "apiKey", In: "cookie", Name: api.SessionCookie},
					"token":   {Type: "http", Scheme: "bearer", Description: "An API token, as POST /api/tokens makes them"},
				},
			},
		},
		Formats:       map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{documents},
	}
}

// describeProblems adds to the schema of a problem document what documents adds to one.
func describeProblems(api *huma.OpenAPI) {
	schema := api.Components.Schemas.Map()["ErrorModel"]
	schema.Properties["code"] = &huma.Schema{Type: huma.TypeString, Description: "Which sentence the detail is; stable. Left out where it has none"}
	schema.Properties["params"] = &huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: true,
		Description: "The values in the detail by name: text, or an object with code and params for a sentence in the sentence",
	}
}

// serveOpenAPI answers with the description of every route that is not a page of the app.
func (s *Server) serveOpenAPI(c *fiber.Ctx) error {
	b, err := json.Marshal(s.huma.OpenAPI())
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, "application/openapi+json")
	return c.Send(b)
}
