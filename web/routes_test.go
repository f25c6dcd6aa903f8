package web

import (
	"net/http"
	"sort"
	"strings"
	"testing"

	"cardea/web/caller"
)

// TestOpenAPI holds the document against the route table, and the router against both.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			Role string `json:"x-role"`
		}
	}
	f.send("GET", "/api/openapi.json", "", nil).json(t, &doc)
	if !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Errorf("version %q", doc.OpenAPI)
	}
	documented, table := map[string]string{}, map[string]string{}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			documented[strings.ToUpper(method)+" "+path] = op.Role
		}
	}
	router := map[string]bool{}
	for _, r := range f.server.routes() {
		router[r.method+" "+fiberPath(r.path)] = true
		if r.path != "/*" {
			table[r.method+" "+r.path] = r.role.String()
		}
	}
	compare(t, table, documented)
	for _, r := range f.server.fiber.GetRoutes(true) {
		if r.Method == http.MethodHead {
			r.Method = http.MethodGet
		}
		if !router[r.Method+" "+r.Path] {
			t.Errorf("%s %s is served and in no table", r.Method, r.Path)
		}
	}
}

func compare(t *testing.T, want, got map[string]string) {
	t.Helper()
	keys := map[string]bool{}
	for k := range want {
		keys[k] = true
	}
	for k := range got {
		keys[k] = true
	}
	all := make([]string, 0, len(keys))
	for k := range keys {
		all = append(all, k)
	}
	sort.Strings(all)
	for _, k := range all {
		if want[k] != got[k] {
			t.Errorf("%s: table says %q, document says %q", k, want[k], got[k])
		}
	}
}

// TestRoles walks the table as every role. Whoever is below a route gets 401 or 403; whoever is not gets anything else.
func TestRoles(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cookies := f.signIn()
	id := "01JABCDEFGHJKMNPQRSTVWXYZ0"
	for _, r := range f.server.routes() {
		path := strings.NewReplacer("{id}", id, "{grant}", id, "/*", "/live").Replace(r.path)
		for _, role := range []caller.Role{caller.Anyone, caller.Viewer, caller.Member, caller.Owner} {
			switch r.method + r.path {
			case "DELETE/api/session", "POST/api/session/step-up": // would end the walk; would be a wrong proof
				if role != caller.Anyone {
					continue
				}
			}
			f.server.limiter = newLimiter(f.server.cfg.Now)
			var body any
			if r.method == "POST" || r.method == "PATCH" || r.method == "PUT" {
				body = map[string]any{}
			}
			got := f.send(r.method, path, cookies[role], body)
			switch {
			case got.status == 500, role >= r.role && (got.status == 401 || got.status == 403):
				t.Errorf("%s %s as %s: %d %s", r.method, path, role, got.status, got.body)
			case role < r.role && role == caller.Anyone && got.status != 401:
				t.Errorf("%s %s as a stranger: %d, want 401", r.method, path, got.status)
			case role < r.role && role > caller.Anyone && got.status != 403:
				t.Errorf("%s %s as %s: %d, want 403", r.method, path, role, got.status)
			}
			if role < r.role {
				got.detail(t, got.status)
			}
		}
	}
}
