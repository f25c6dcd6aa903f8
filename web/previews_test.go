package web

import (
	"bytes"
	"net/http"
	"net/url"
	"testing"

	"cardea/auth"
	"cardea/camera/agent"
	"cardea/store"
	"cardea/store/vault"
	"cardea/web/api"
)

// TestPreviews: previews are listed, served by ranges as ciphertext, only to those who see the camera.
func TestPreviews(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cookie, camera, identity := f.withCamera(func(c *agent.Config) {
		check(t, c.AddSmall("test:Door"))
	})
	sub, err := url.Parse(camera.URL)
	check(t, err)
	sub.Path += agent.SmallSuffix
	f.send("PATCH", "/api/cameras/"+camera.ID, cookie, map[string]any{"sub_url": sub.String()}).json(t, &camera)
	if camera.Sub == nil || camera.Sub.URL != sub.String() {
		t.Fatalf("camera %+v", camera)
	}
	eventually(t, "the sub-stream for previews", func() bool {
		f.unlimited()
		f.send("GET", "/api/cameras/"+camera.ID, cookie, nil).json(t, &camera)
		return camera.Sub.Phase == "streaming" && camera.Sub.Width == 480
	})
	var previews []api.ClipPreview
	audio := true
	eventually(t, "a preview", func() bool {
		// Switching sound begins another clip.
		f.unlimited()
		audio = !audio
		if got := f.send("PATCH", "/api/cameras/"+camera.ID, cookie, map[string]any{"audio": audio}); got.status != 200 {
			t.Fatalf("change: %d %s", got.status, got.body)
		}
		f.send("GET", "/api/previews?camera="+camera.ID, cookie, nil).json(t, &previews)
		return len(previews) > 0
	})
	p := previews[0]
	var detail api.ClipDetail
	f.send("GET", "/api/clips/"+p.Clip, cookie, nil).json(t, &detail)
	if detail.Preview == nil || detail.Preview.Bytes != p.Bytes || !detail.Start.Equal(p.Start) || len(p.Parts) == 0 || p.Parts[0].Offset != int64(p.InitBytes) {
		t.Errorf("clip %+v, preview %+v", detail.Preview, p)
	}
	path := "/api/clips/" + p.Clip + "/preview"
	whole := f.send("GET", path, cookie, nil)
	if whole.status != 200 || int64(len(whole.body)) != p.Bytes || whole.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("whole: %d %v, %d bytes", whole.status, whole.header, len(whole.body))
	}
	part := f.send("GET", path, cookie, nil, func(r *http.Request) { r.Header.Set("Range", "bytes=100-199") })
	if part.status != 206 || !bytes.Equal(part.body, whole.body[100:200]) {
		t.Errorf("range: %d, %d bytes", part.status, len(part.body))
	}
	plain, err := vault.OpenTorn(bytes.NewReader(whole.body), p.Bytes, identity)
	check(t, err)
	box := make([]byte, 8)
	_, err = plain.ReadAt(box, p.Parts[0].Offset)
	check(t, err)
	if string(box[4:]) != "moof" {
		t.Errorf("the first picture begins with %q", box)
	}
	f.send("GET", path, "", nil).detail(t, 401)
	f.send("GET", "/api/previews?camera="+camera.ID+"&limit=501", cookie, nil).detail(t, 422)
	f.send("GET", "/api/previews", cookie, nil).detail(t, 422)

	other, err := f.db.CreateCamera(t.Context(), store.NewCamera("Garden", "rtsp://127.0.0.1:9/main"))
	check(t, err)
	viewer, _ := f.join("Vie", auth.Viewer, auth.SeesOnly(other.ID))
	f.send("GET", path, viewer, nil).detail(t, 404)
	f.send("GET", "/api/previews?camera="+camera.ID, viewer, nil).detail(t, 404)
}
