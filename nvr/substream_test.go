package nvr

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"cardea/camera/agent"
	"cardea/camera/agent/pattern"
	"cardea/nvr/hub"
	"cardea/nvr/live"
	"cardea/store"
)

// TestSideAddresses: what stands beside the main stream is at the camera's host, gets the camera's account and nothing else, and goes
// when the camera is another one.
func TestSideAddresses(t *testing.T) {
	t.Parallel()
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

// twoLenses starts a virtual camera with a large stream at /front and a small one at /small.
func twoLenses(t *testing.T, password string) *agent.Agent {
	t.Helper()
	var streams []agent.Stream
	for path, size := range map[string]pattern.Config{
		"front": {Width: 160, Height: 96, FPS: 25, GOP: time.Second, BitRate: 800_000}, "small": {Width: 128, Height: 96, FPS: 10, GOP: time.Second, BitRate: 100_000},
	} {
		source, err := agent.NewPattern(agent.PatternConfig{Config: size, Beep: true})
		if err != nil {
			t.Fatal(err)
		}
		streams = append(streams, agent.Stream{Path: path, Source: source})
	}
	return startLens(t, agent.Config{User: "cam", Password: password, Streams: streams})
}

// width reads messages until an init segment says so, and gives its quality and the width of its picture.
func (v *View) width(t *testing.T, want Quality) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	for {
		m, err := v.Next(ctx)
		if err != nil {
			t.Fatalf("waiting for %s: %v", want, err)
		}
		if m.MIME != "" && m.Quality == string(want) {
			break
		}
	}
	if got := v.Stream().Tracks[v.Stream().Video()].Width; got != map[Quality]int{Main: 160, Sub: 128}[want] {
		t.Errorf("%s is %d pixels wide", want, got)
	}
	for {
		m, err := v.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if m.Key {
			return
		}
	}
}

// TestSubstream: the smaller stream is connected while somebody watches it, viewers get the main stream while it does not work, and
// are told which one they have.
func TestSubstream(t *testing.T) {
	t.Parallel()
	const password = "s3cr3t-pass"
	a := twoLenses(t, password)
	b := openBox(t, t.TempDir())
	small := "rtsp://" + a.Addr().String() + "/small"
	st, err := b.AddCamera(t.Context(), anna, NewCamera{Name: "Door", URL: address(a, password), SubURL: small})
	if err != nil {
		t.Fatal(err)
	}
	id := st.Camera.ID
	eventually(t, "streaming", func() bool { return b.camera(id).Connection.Phase == "streaming" })
	if a.Readers("small") != 0 || b.camera(id).Sub.Phase != "off" {
		t.Error("a sub-stream that nobody wants is connected")
	}
	watch := func(q Quality) *View {
		v, err := b.Live(t.Context(), anna, id, q, live.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(v.Close)
		return v
	}
	v := watch(Sub)
	v.width(t, Sub)
	if age := v.Age(); age <= 0 || age > 30*time.Second {
		t.Errorf("the picture is %v old", age)
	}
	eventually(t, "the sub-stream is shown", func() bool {
		s := b.camera(id).Sub
		return a.Readers("small") == 1 && s.Phase == "streaming" && s.Width == 128 && s.Codec == "h264"
	})
	watch(Main).width(t, Main)
	watch(Auto).width(t, Main)
	watch(Sub).width(t, Sub)
	for range 10 {
		watch(Main)
		watch(Sub)
	}
	if front, small := a.Readers("front"), a.Readers("small"); front != 1 || small != 1 {
		t.Errorf("%d connections for the big picture and %d for the small one, whoever watches", front, small)
	}

	missing := "rtsp://" + a.Addr().String() + "/nothing"
	if _, err := b.ChangeCamera(t.Context(), anna, id, CameraChange{SubURL: &missing}); err != nil {
		t.Fatal(err)
	}
	v.width(t, Main)
	eventually(t, "the reason is shown", func() bool { s := b.camera(id).Sub; return s.Phase == "unusable" && s.Detail != "" })
	if b.camera(id).Connection.Phase != "streaming" {
		t.Error("the main stream went with it")
	}
	if _, err := b.ChangeCamera(t.Context(), anna, id, CameraChange{SubURL: &small}); err != nil {
		t.Fatal(err)
	}
	v.width(t, Sub)
}

// TestSubstreamInDoubt: an address of a sub-stream that somebody wrote into the index gets nothing.
func TestSubstreamInDoubt(t *testing.T) {
	t.Parallel()
	const password = "s3cr3t-pass"
	a := lens(t, password)
	thief, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Skip("no second loopback address")
	}
	defer thief.Close()
	asked := make(chan struct{})
	go func() {
		if c, err := thief.Accept(); err == nil {
			c.Close()
			close(asked)
		}
	}()
	b := openBox(t, t.TempDir())
	st, err := b.AddCamera(t.Context(), anna, NewCamera{Name: "Door", URL: address(a, password), SubURL: "rtsp://" + a.Addr().String() + "/front"})
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.runner(st.Camera.ID)
	if err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	r.row.SubURL = "rtsp://" + thief.Addr().String() + "/front" // as it comes from an index that was changed
	r.mu.Unlock()
	id := st.Camera.ID
	v, err := b.Live(t.Context(), anna, id, Sub, live.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	v.width(t, Main)
	select {
	case <-asked:
		t.Error("another host was asked for the sub-stream")
	case <-time.After(time.Second):
	}
}

// TestAutoFollowsTheViewer: who does not keep up with the main stream is given the smaller one.
func TestAutoFollowsTheViewer(t *testing.T) {
	t.Parallel()
	const password = "s3cr3t-pass"
	a := twoLenses(t, password)
	b := openBox(t, t.TempDir())
	st, err := b.AddCamera(t.Context(), anna, NewCamera{Name: "Door", URL: address(a, password), SubURL: "rtsp://" + a.Addr().String() + "/small"})
	if err != nil {
		t.Fatal(err)
	}
	id := st.Camera.ID
	eventually(t, "streaming", func() bool { return b.camera(id).Connection.Phase == "streaming" })
	f, err := b.feed(t.Context(), anna, id, Auto, 64<<10) // not much more than one key frame
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	first, err := f.Next(t.Context())
	if err != nil || f.Quality(first.Stream) != Main {
		t.Fatalf("begins with %v, %v", first, err)
	}
	eventually(t, "pictures are lost", func() bool { return f.Dropped().Frames > 0 })
	lost := f.Dropped().Frames
	eventually(t, "the smaller one", func() bool {
		got, err := f.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return f.Quality(got.Stream) == Sub
	})
	if f.Dropped().Frames < lost || f.Age() > 30*time.Second {
		t.Errorf("%d lost, %v old", f.Dropped().Frames, f.Age())
	}
	f.Close()
	f.Close()
	if _, err := f.Next(t.Context()); !errors.Is(err, hub.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
