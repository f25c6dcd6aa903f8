package nvr

import (
	"testing"

	"cardea/store"
)

// What lasts goes on over a restart, and what does not is over.
func TestRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := openBox(t, dir)
	st, err := b.AddCamera(t.Context(), anna, NewCamera{Name: "Front", URL: "rtsp://127.0.0.1:1/front"})
	if err != nil {
		t.Fatal(err)
	}
	id := st.Camera.ID
	missed := func(b *box) (open, all int) {
		t.Helper()
		events, err := b.Events(t.Context(), store.EventQuery{Kind: "camera.offline"})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.End.IsZero() {
				open++
			}
		}
		return open, len(events)
	}
	eventually(t, "the event", func() bool { open, _ := missed(b); return open == 1 })
	eventually(t, "the gap", func() bool {
		gaps, err := b.db.OpenGaps(t.Context())
		return err == nil && len(gaps) == 1
	})
	b.stop()

	b = openBox(t, dir)
	b.makeVault()
	eventually(t, "offline again", func() bool { return b.camera(id).Connection.Phase == "waiting" })
	eventually(t, "the end of the alarm", func() bool {
		events, err := b.Events(t.Context(), store.EventQuery{Kind: "system"})
		if err != nil || len(events) == 0 {
			return false
		}
		for _, e := range events {
			if e.End.IsZero() {
				return false
			}
		}
		return true
	})
	if open, all := missed(b); open != 1 || all != 1 {
		t.Errorf("%d events that the camera is offline, %d last", all, open)
	}
}
