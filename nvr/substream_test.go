package nvr

import (
	"testing"

	"cardea/store"
)

// TestSideAddresses: what stands beside the main stream is at the camera's host, gets the camera's account and nothing else, and goes
// when the camera is another one.
func TestSideAddresses(t *testing.T) {
	b := openBox(t, t.TempDir())

	st, err := b.AddCamera(t.Context(), anna, NewCamera{Name: "Door", URL: "rtsp://ann:secret@192.0.2.7/main", SubURL: "rtsp://192.0.2.7/sub", Mode: "off"})
	if err != nil || st.Sub == nil || st.Sub.URL != "rtsp://192.0.2.7/sub" {
		t.Fatalf("added %+v, %v", st, err)
	}
	id := st.Camera.ID
	change := func(c CameraChange) (CameraStatus, error) { return b.ChangeCamera(t.Context(), anna, id, c) }
	text := func(s string) *string { return &s }
	for _, bad := range []CameraChange{
		{SubURL: text("rtsp://192.0.2.8/sub")}, {SubURL: text("rtsps://192.0.2.7/sub")}, {SubURL: text("rtsp://ann:secret@192.0.2.7/sub")},
		{SubURL: text("http://192.0.2.7/sub")}, {ONVIF: text("http://192.0.2.8/onvif/device_service")}, {ONVIF: text("http://ann:secret@192.0.2.7")},
		{ONVIF: text("gopher://192.0.2.7")},
	} {
		if _, err := change(bad); store.ErrorCode(err) != store.Invalid {
			t.Errorf("%+v gives %v", bad, err)
		}
	}
	if st, err = change(CameraChange{ONVIF: text("192.0.2.7:8080")}); err != nil || st.Camera.ONVIF != "http://192.0.2.7:8080/onvif/device_service" {
		t.Errorf("ONVIF is %q, %v", st.Camera.ONVIF, err)
	}
	if st, err = change(CameraChange{URL: text("rtsp://192.0.2.7/other")}); err != nil || st.Sub == nil || st.Camera.ONVIF == "" {
		t.Errorf("another path at the same host leaves %+v, %v", st.Camera, err)
	}
	if st, err = change(CameraChange{URL: text("rtsp://192.0.2.9/main")}); err != nil || st.Sub != nil || st.Camera.ONVIF != "" {
		t.Errorf("another host leaves %+v, %v", st.Camera, err)
	}
}
