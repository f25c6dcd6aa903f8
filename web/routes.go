package web

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"cardea/auth"
	"cardea/web/caller"
)

// route is one line of the table. Every path that the program answers is one, and the document at
// /api/openapi.json is made of the same lines.
type route struct {
	method string
	// path has its parameters in braces, as OpenAPI writes them. The catch-all of the app is "/*".
	path string
	// role is the least that a caller must be.
	role    caller.Role
	summary string
	handler handler
}

// handler is how a route is answered, and what its guard asks for beside the role.
type handler struct {
	// mount puts the function on the server, after the guard.
	mount func(s *Server, r route)
	// stepUp wants a person who proved lately who they are.
	stepUp bool
	// person shuts programs with a token out.
	person bool
	// linked lets a signed link stand for the session that asked for it.
	linked bool
	// act is what auth counts over a restart; empty for nothing.
	act auth.Paced
	// scope is what a token needs; empty for the one that goes with method and role.
	scope auth.Scope
}

// stepUp marks an act that a signed-in person has to confirm by proving once more who they are.
func stepUp(h handler) handler { h.stepUp = true; return h }

// person marks what programs have no business with: sessions, factors, tokens.
func person(h handler) handler { h.person = true; return h }

// paced marks an act whose rate a restart does not forgive.
func paced(act auth.Paced, h handler) handler { h.act = act; return h }

// media marks a route that gives or takes pictures and sound.
func media(h handler) handler { h.scope = auth.ScopeMedia; return h }

// linked marks a route whose bytes may be fetched by what has no session: a download, a device that plays video.
func linked(h handler) handler { h.linked = true; return h }

// need is the scope that a token needs for a route. What nobody thought of needs the widest one that its role has.
func (r route) need() auth.Scope {
	switch {
	case r.handler.scope != "":
		return r.handler.scope
	case r.role >= caller.Owner || r.handler.stepUp:
		return auth.ScopeAdmin
	case r.method == http.MethodGet:
		return auth.ScopeRead
	}
	return auth.ScopeControl
}

// mount puts a route and its guard in front of it into the router.
func (s *Server) mount(r route) {
	s.fiber.Add(r.method, fiberPath(r.path), s.guard(r))
	r.handler.mount(s, r)
}

// fiberPath turns {name} into :name.
func fiberPath(p string) string { return strings.NewReplacer("{", ":", "}", "").Replace(p) }

func (s *Server) operation(r route) huma.Operation {
	op := huma.Operation{
		OperationID: strings.ToLower(r.method) + strings.NewReplacer("/", "-", ".", "-", "{", "", "}", "").Replace(strings.TrimPrefix(r.path, "/api")),
		Method:      r.method, Path: r.path, Summary: r.summary,
		MaxBodyBytes: bodyLimit,
		Extensions:   map[string]any{"x-role": r.role.String(), "x-step-up": r.handler.stepUp},
		Errors:       []int{http.StatusTooManyRequests},
	}
	if r.role > caller.Anyone {
		op.Errors = append(op.Errors, http.StatusUnauthorized, http.StatusForbidden)
		op.Security = []map[string][]string{{"session": {}}}
		if !r.handler.person {
			op.Extensions["x-scope"] = string(r.need())
			op.Security = append(op.Security, map[string][]string{"token": {}})
		}
	}
	if strings.Contains(r.path, "{") {
		op.Errors = append(op.Errors, http.StatusNotFound)
	}
	return op
}

// call is a JSON route: huma decodes and checks the input, fn does the work with one call below, huma encodes.
// status is that of success.
func call[I, O any](status int, fn func(context.Context, *I) (*O, error)) handler {
	return handler{mount: func(s *Server, r route) {
		op := s.operation(r)
		op.DefaultStatus = status
		huma.Register(s.huma, op, func(ctx context.Context, in *I) (*O, error) {
			out, err := fn(ctx, in)
			if err != nil {
				return nil, s.explain(r.method, r.path, err)
			}
			return out, nil
		})
	}}
}

// raw is a route whose answer is no JSON of huma's. mediaType is that of success.
func raw(status int, mediaType string, fn fiber.Handler) handler {
	return handler{mount: func(s *Server, r route) {
		s.fiber.Add(r.method, fiberPath(r.path), fn)
		if r.method == http.MethodGet && status == http.StatusOK {
			s.fiber.Add(http.MethodHead, fiberPath(r.path), s.guard(r), fn)
		}
		if r.path == "/*" {
			return // the app's own pages are no part of the API
		}
		op := s.operation(r)
		op.Responses = map[string]*huma.Response{httpStatus(status): {
			Description: http.StatusText(status),
			Content:     map[string]*huma.MediaType{mediaType: {}},
		}}
		for part := range strings.SplitSeq(r.path, "/") {
			if name, ok := strings.CutPrefix(part, "{"); ok {
				op.Parameters = append(op.Parameters, &huma.Param{
					Name: strings.TrimSuffix(name, "}"), In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString},
				})
			}
		}
		s.huma.OpenAPI().AddOperation(&op)
	}}
}
