package nvr

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"

	"cardea/camera/agent"
	"cardea/camera/agent/pattern"
	"cardea/camera/rtsp"
	"cardea/store"
)

// TestTalk: that a camera has a loudspeaker is found out by itself; one person at a time talks to it, which is logged before, and the
// talk ends with the camera's connection.
func TestTalk(t *testing.T) {
	t.Parallel()
	const password = "s3cr3t-pass"
	var mu sync.Mutex
	var heard []byte
	source, err := agent.NewPattern(agent.PatternConfig{Config: pattern.Config{Width: 160, Height: 96, FPS: 10}})
	if err != nil {
		t.Fatal(err)
	}
	a := startLens(t, agent.Config{User: "cam", Password: password, Streams: []agent.Stream{{Path: "front", Source: source}}, OnTalk: func(path string, payload []byte) {
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, payload...)
	}})
	b := openBox(t, t.TempDir())
	st, err := b.AddCamera(t.Context(), anna, NewCamera{Name: "Door", URL: address(a, password)})
	if err != nil {
		t.Fatal(err)
	}
	id := st.Camera.ID
	eventually(t, "the loudspeaker is found", func() bool { return b.camera(id).Camera.Controls.Has(store.ControlTalk) })

	talk, err := b.Talk(t.Context(), anna, id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Talk(t.Context(), anna, id); store.ErrorCode(err) != store.Conflict {
		t.Errorf("two at a time: %v", err)
	}
	word := bytes.Repeat([]byte{7}, 160)
	if err := talk.Say(word); err != nil {
		t.Fatal(err)
	}
	eventually(t, "heard", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return bytes.Equal(heard, word)
	})
	talk.Close()
	records, err := b.db.LogRecords(t.Context(), store.LogQuery{Log: store.LogAccess})
	if err != nil || len(records) == 0 || records[0].Action != "talk" || records[0].Camera != id.String() {
		t.Errorf("records %+v, %v", records, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if talk, err = b.Talk(ctx, anna, id); err != nil {
		t.Fatal(err)
	}
	cancel()
	<-talk.Ended()
	eventually(t, "free again", func() bool {
		if talk, err = b.Talk(t.Context(), anna, id); err != nil && store.ErrorCode(err) != store.Conflict {
			t.Fatal(err)
		}
		return err == nil
	})
	r, err := b.runner(id)
	if err != nil {
		t.Fatal(err)
	}
	r.reconnect() // as isolation does
	<-talk.Ended()

	mute := lens(t, password)
	if st, err = b.AddCamera(t.Context(), anna, NewCamera{Name: "Garden", URL: address(mute, password)}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "streaming", func() bool { return b.camera(st.Camera.ID).Connection.Phase == "streaming" })
	var none rtsp.ErrNoTalk
	if _, err := b.Talk(t.Context(), anna, st.Camera.ID); !errors.As(err, &none) || !errors.As(err, new(ErrCamera)) {
		t.Errorf("a camera without loudspeaker: %v", err)
	}
}
