package web

import (
	"strings"
	"testing"

	"cardea/web/api"
	"cardea/web/caller"
)

// TestLogOverHTTP: what a person did is what an owner reads; who is no owner does not, and that is read too.
func TestLogOverHTTP(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cookies := f.signIn()
	if got := f.send("GET", "/api/log", cookies[caller.Member], nil); got.status != 403 {
		t.Errorf("a member reads the log: %d", got.status)
	}
	f.send("PATCH", "/api/settings", cookies[caller.Viewer], map[string]any{"log_days": 1})
	f.send("PATCH", "/api/settings", cookies[caller.Owner], map[string]any{"log_days": 60})
	var all []api.LogEntry
	f.send("GET", "/api/log?limit=4", cookies[caller.Owner], nil).json(t, &all)
	var words []string
	for _, r := range all {
		words = append(words, strings.TrimSpace(r.Action+" "+r.Result+" "+r.Role+" "+r.Object+r.Detail))
	}
	want := "log.read ok owner access|settings.change ok owner log_days 60|denied refused viewer PATCH /api/settings|denied refused member GET /api/log"
	if got := strings.Join(words, "|"); got != want {
		t.Errorf("the log has %s, want %s", got, want)
	}
	var page []api.LogEntry
	f.send("GET", "/api/log?user=nobody", cookies[caller.Owner], nil).json(t, &page)
	if len(page) != 0 {
		t.Errorf("nobody has done %+v", page)
	}
	for path, status := range map[string]int{
		"/api/log?log=other": 422, "/api/log?camera=x": 422, "/api/log?limit=-1": 422, "/api/log?before=-1": 422, "/api/log?from=yesterday": 422,
		"/api/log/proof": 422, "/api/log/proof?seq=0&old=0": 422, "/api/log/proof?seq=999999": 422, "/api/log/proof?old=999999": 422,
		"/log/access/checkpoint": 200, "/log/access/log.vkey": 200, "/log/access/tile/0/999": 404, "/log/other/checkpoint": 404, "/log/access/tile/..%2f..%2f..%2fcardea.db": 404,
	} {
		if got := f.send("GET", path, cookies[caller.Viewer], nil); got.status != status && (got.status != 403 || !strings.HasPrefix(path, "/api/log?")) {
			t.Errorf("%s as a viewer gives %d, want %d: %s", path, got.status, status, got.body)
		}
		if got := f.send("GET", path, cookies[caller.Owner], nil); got.status != status {
			t.Errorf("%s as an owner gives %d, want %d: %s", path, got.status, status, got.body)
		}
	}
	for _, bad := range []map[string]any{{"address": ":1"}, {"address": "h", "pin": "00"}, {"address": "h", "ca": "x"}, {"log_days": 0}} {
		path, method := "/api/log/syslog", "PUT"
		if bad["log_days"] != nil {
			path, method = "/api/settings", "PATCH"
		}
		if got := f.send(method, path, cookies[caller.Owner], bad); got.status != 422 {
			t.Errorf("%v gives %d", bad, got.status)
		}
	}
}
