package web

import (
	"testing"

	"cardea/web/api"
)

// TestGroups: an owner puts cameras into groups, and others see of them what they may see.
func TestGroups(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cookie, camera, _ := f.withCamera()
	var groups []api.Group
	put := func(in any) reply { return f.send("PUT", "/api/groups", cookie, in) }
	type object = map[string]any
	if got := put([]object{{"id": "", "name": " Outside ", "cameras": []string{camera.ID}}}); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	f.send("GET", "/api/groups", cookie, nil).json(t, &groups)
	if len(groups) != 1 || groups[0].Name != "Outside" || len(groups[0].ID) != 26 || len(groups[0].Cameras) != 1 {
		t.Fatalf("%+v", groups)
	}
	id := groups[0].ID
	if put([]object{{"id": id, "name": "Yard", "cameras": []string{camera.ID}}}).json(t, &groups); groups[0].ID != id || groups[0].Name != "Yard" {
		t.Errorf("renamed: %+v", groups)
	}
	put([]object{{"id": "", "name": "", "cameras": []string{camera.ID}}}).detail(t, 422)
	put([]object{{"id": "", "name": "None", "cameras": []string{}}}).detail(t, 422)
	put([]object{{"id": "", "name": "Gone", "cameras": []string{"01JABCDEFGHJKMNPQRSTVWXYZ0"}}}).detail(t, 422)

	// A camera that is gone is in no group.
	f.send("DELETE", "/api/cameras/"+camera.ID, cookie, nil)
	f.send("GET", "/api/groups", cookie, nil).json(t, &groups)
	if len(groups) != 0 {
		t.Errorf("after the camera: %+v", groups)
	}
}
