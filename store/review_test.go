package store_test

import (
	"fmt"
	"testing"
	"time"

	"cardea/store"
)

// keptClips says which of the clips of a camera are kept.
func (h *house) keptClips(t *testing.T) (kept string) {
	t.Helper()
	for _, c := range must[[]store.Clip](t)(h.Clips(t.Context(), store.ClipQuery{Camera: h.camera.ID})) {
		kept += map[bool]string{true: "k", false: "-"}[c.Keep]
	}
	return kept
}

// A kept event keeps the clips around it, whichever of them came first, and lets them go again.
func TestKeep(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	for i := range 6 {
		h.record(t, noon.Add(minutes(i)), 60)
	}
	add := func(start, end time.Time) store.Event {
		return must[store.Event](t)(h.AddEvent(ctx, store.Event{Camera: h.camera.ID, Kind: "motion", Start: start, End: end, Source: "test"}))
	}
	keep := func(e store.Event, keep bool) {
		must[store.Event](t)(h.UpdateEvent(ctx, e.ID, func(e *store.Event) error { e.Keep = keep; return nil }))
	}
	long, short := add(noon.Add(100*time.Second), noon.Add(200*time.Second)), add(noon.Add(215*time.Second), noon.Add(215*time.Second))
	var named store.Event
	for _, step := range []struct {
		what string
		do   func()
		want string
	}{
		{"nothing is kept", func() {}, "------"},
		{"an event in the second to fourth minute", func() { keep(long, true) }, "-kkk--"},
		{"one with a neighbour", func() { keep(short, true) }, "-kkkk-"},
		{"the neighbour is still wanted", func() { keep(long, false) }, "---kk-"},
		{"no more", func() { keep(short, false) }, "------"},
		{"one that goes on", func() { keep(add(noon.Add(330*time.Second), time.Time{}), true) }, "-----k"},
		{"a part of time that somebody names", func() {
			named = must[store.Event](t)(h.AddKept(ctx, store.Event{Camera: h.camera.ID, Kind: "kept", Start: noon.Add(10 * time.Second), End: noon.Add(20 * time.Second), Source: "person"}, noon.Add(minutes(6)), "Ann"))
			if !named.Keep || named.Reviewer != "Ann" || named.Reviewed.IsZero() {
				t.Errorf("kept: %+v", named)
			}
		}, "k----k"},
		{"and lets go", func() { keep(named, false) }, "-----k"},
		{"a clip that is filed later", func() { h.record(t, noon.Add(minutes(7)), 60) }, "-----kk"},
	} {
		step.do()
		if got := h.keptClips(t); got != step.want {
			t.Errorf("%s: %s, want %s", step.what, got, step.want)
		}
	}
	// It ends before the clip that was filed later.
	going := must[[]store.Event](t)(h.Events(ctx, store.EventQuery{Limit: 1}))[0]
	must[store.Event](t)(h.UpdateEvent(ctx, going.ID, func(e *store.Event) error { e.End = noon.Add(340 * time.Second); return nil }))
	if got := h.keptClips(t); got != "-----k-" {
		t.Errorf("an event that ended: %s", got)
	}
	use := must[[]store.Usage](t)(h.Usage(ctx))
	if use[0].KeptBytes != use[0].Bytes/7 {
		t.Errorf("usage is %+v", use)
	}
	if oldest := must[[]store.Clip](t)(h.Oldest(ctx, store.OldestQuery{Limit: 100})); len(oldest) != 6 {
		t.Errorf("%d clips may go", len(oldest))
	}
	// The event of the box keeps no clip, and a kept event outlives the others.
	box := must[store.Event](t)(h.AddEvent(ctx, store.Event{Kind: "storage", Start: noon, Source: "test"}))
	keep(box, true)
	if n := must[int](t)(h.DropEvents(ctx, noon.Add(time.Hour), 10)); n != 3 {
		t.Errorf("%d events dropped, want the three that are not kept", n)
	}
}

func TestReview(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	e := must[store.Event](t)(h.AddEvent(ctx, store.Event{Camera: h.camera.ID, Kind: "motion", Start: noon, Source: "test"}))
	for what, edit := range map[string]func(*store.Event){
		"a review of nobody":   func(e *store.Event) { e.Reviewed = noon },
		"a note without vault": func(e *store.Event) { e.Note = []byte("x") },
		"a vault without note": func(e *store.Event) { e.NoteVault = h.vault.ID },
		"a note too long":      func(e *store.Event) { e.Note, e.NoteVault = make([]byte, store.MaxNote+1), h.vault.ID },
	} {
		if _, err := h.UpdateEvent(ctx, e.ID, func(e *store.Event) error { edit(e); return nil }); store.ErrorCode(err) != store.Invalid {
			t.Errorf("%s: %v", what, err)
		}
	}
	must[store.Event](t)(h.UpdateEvent(ctx, e.ID, func(e *store.Event) error {
		e.Reviewed, e.Reviewer, e.Note, e.NoteVault = noon, "Ann", []byte("age-encryption.org/v1\n"), h.vault.ID
		return nil
	}))
	got := must[store.Event](t)(h.Event(ctx, e.ID))
	if !got.Reviewed.Equal(noon) || got.Reviewer != "Ann" || string(got.Note) != "age-encryption.org/v1\n" || got.NoteVault != h.vault.ID {
		t.Errorf("stored %+v", got)
	}
	// All or none.
	missing := must[store.ID](t)(h.NewID(noon))
	_, err := h.UpdateEvents(ctx, []store.ID{e.ID, missing}, func(e *store.Event) error { e.Reviewed, e.Reviewer = time.Time{}, ""; return nil })
	if store.ErrorCode(err) != store.NotFound || must[store.Event](t)(h.Event(ctx, e.ID)).Reviewer != "Ann" {
		t.Errorf("half of a change was stored: %v", err)
	}
}

// Pages follow each other without a hole or a repetition, also where many events begin at once, and while events come and go.
func TestEventPages(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	side := must[store.Camera](t)(h.CreateCamera(ctx, store.NewCamera("Side", "rtsp://192.0.2.8/")))
	want := map[store.ID]bool{}
	for i := range 40 {
		e := store.Event{Camera: []store.ID{h.camera.ID, side.ID, {}}[i%3], Kind: []string{"motion", "storage"}[i%2], Start: noon.Add(time.Duration(i/8) * time.Second), Source: "test"}
		if i%5 == 0 {
			e.Labels = []string{"secret"}
		}
		want[must[store.Event](t)(h.AddEvent(ctx, e)).ID] = true
	}
	var before store.ID
	var last time.Time
	for page := 0; ; page++ {
		all := must[[]store.Event](t)(h.Events(ctx, store.EventQuery{Before: before, Limit: 7}))
		for _, e := range all {
			if !want[e.ID] || !last.IsZero() && e.Start.After(last) {
				t.Errorf("page %d has %s again, or out of order", page, e.ID)
			}
			delete(want, e.ID)
			last, before = e.Start, e.ID
		}
		must[store.Event](t)(h.AddEvent(ctx, store.Event{Kind: "system", Start: noon.Add(time.Hour), Source: "test"}))
		if page == 1 {
			must[store.Event](t)(h.UpdateEvent(ctx, before, func(e *store.Event) error { e.Reviewed, e.Reviewer = noon, "Ann"; return nil }))
		}
		if len(all) < 7 {
			break
		}
	}
	if len(want) != 0 {
		t.Errorf("%d events are on no page", len(want))
	}
	yes, no := true, false
	for _, c := range []struct {
		query store.EventQuery
		want  int
	}{
		{store.EventQuery{Cameras: []store.ID{h.camera.ID, side.ID}, Kinds: []string{"motion", "storage"}}, 27},
		{store.EventQuery{Cameras: []store.ID{}}, 0},
		{store.EventQuery{Cameras: []store.ID{must[store.ID](t)(h.NewID(noon))}}, 0},
		{store.EventQuery{Kinds: []string{"motion"}}, 20},
		{store.EventQuery{Camera: side.ID, Kind: "motion"}, 6},
		{store.EventQuery{Without: "secret", To: noon.Add(time.Minute)}, 32},
		{store.EventQuery{Reviewed: &yes}, 1},
		{store.EventQuery{Reviewed: &no, To: noon.Add(time.Minute)}, 39},
		{store.EventQuery{Keep: &yes}, 0},
		{store.EventQuery{Keep: &no, From: noon, To: noon.Add(time.Second)}, 8},
		{store.EventQuery{Before: store.ID{}, Limit: 3}, 3},
	} {
		if got := must[[]store.Event](t)(h.Events(ctx, c.query)); len(got) != c.want {
			t.Errorf("%s: %d events, want %d", fmt.Sprintf("%+v", c.query), len(got), c.want)
		}
	}
}
