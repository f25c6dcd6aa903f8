package store_test

import (
	"crypto/sha256"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"cardea/store"
)

func minutes(n int) time.Duration { return time.Duration(n) * time.Minute }

func TestLifeOfAClip(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	clip := h.begin(t, noon.Add(123*time.Nanosecond))
	if !clip.Start.Equal(noon) || clip.Path() != h.camera.ID.String()+"/2025/03/09/"+clip.ID.String()+".mp4.age" {
		t.Errorf("opened as %+v, path %s", clip, clip.Path())
	}
	if got := must[store.Clip](t)(h.Clip(ctx, clip.ID)); got.State != store.ClipOpen || !got.End.Equal(noon) || got.SHA256 != nil || got.Bytes != 0 {
		t.Errorf("an open clip without parts is %+v", got)
	}
	for second := range 3 {
		add := seconds(noon, second, 1)
		add.Clip = clip.ID
		ok(t, h.AppendParts(ctx, []store.ClipParts{{Clip: clip.ID}, add}))
	}
	got := must[store.Clip](t)(h.Clip(ctx, clip.ID))
	if len(got.Parts) != 3 || !got.End.Equal(noon.Add(3*time.Second)) || got.Bytes != 4200 || got.Plain != 3900 {
		t.Errorf("an open clip with 3 parts is %+v", got)
	}
	last := seconds(noon, 3, 1)
	sum := sha256.Sum256([]byte("file"))
	event := store.Event{Camera: h.camera.ID, Kind: "motion", Start: noon, Source: "test"}
	closed := must[store.Clip](t)(h.CloseClip(ctx, store.ClosedClip{
		Clip: clip.ID, Parts: last.Parts, End: last.End, Plain: last.Plain, Bytes: 5300, SHA256: sum[:], Event: &event,
	}))
	got = must[store.Clip](t)(h.Clip(ctx, clip.ID))
	want := seconds(noon, 0, 4).Parts
	if !slices.Equal(got.Parts, want) || got.State != store.ClipClosed || got.Bytes != 5300 || !slices.Equal(got.SHA256, sum[:]) {
		t.Errorf("the closed clip is %+v", got)
	}
	if closed.Path() != got.Path() || !closed.End.Equal(got.End) {
		t.Errorf("CloseClip gave %+v", closed)
	}
	if len(must[[]store.Event](t)(h.EventsAfter(ctx, 0, 10))) != 1 || event.Seq != 1 {
		t.Error("the event is not there")
	}
	// A clip is closed once.
	_, err := h.CloseClip(ctx, store.ClosedClip{Clip: clip.ID, Bytes: 1, SHA256: sum[:]})
	wantCode(t, err, store.Conflict)
	add := seconds(noon, 4, 1)
	add.Clip = clip.ID
	wantCode(t, h.AppendParts(ctx, []store.ClipParts{add}), store.Conflict)
	// A start is used once for a camera.
	_, err = h.OpenClip(ctx, store.Clip{Camera: h.camera.ID, Start: noon, Vault: h.vault.ID, Codecs: "avc1.64001f", HeaderBytes: 1, InitBytes: 1})
	wantCode(t, err, store.Conflict)
}

func TestBatchIsAllOrNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	clip := h.begin(t, noon)
	good, bad := seconds(noon, 0, 1), seconds(noon, 0, 1)
	good.Clip = clip.ID
	wantCode(t, h.AppendParts(t.Context(), []store.ClipParts{good, bad}), store.Conflict)
	if got := must[store.Clip](t)(h.Clip(t.Context(), clip.ID)); len(got.Parts) != 0 {
		t.Errorf("%d parts stayed of a batch that was refused", len(got.Parts))
	}
}

func TestTornClip(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := furnish(t, open(t, dir))
	ctx := t.Context()
	clip := h.begin(t, noon)
	add := seconds(noon, 0, 7)
	add.Clip = clip.ID
	ok(t, h.AppendParts(ctx, []store.ClipParts{add}))
	empty := h.begin(t, noon.Add(minutes(1)))
	ok(t, h.Close())

	db := open(t, dir)
	left := must[[]store.Clip](t)(db.OpenClips(ctx))
	if len(left) != 2 || left[0].ID != clip.ID || len(left[0].Parts) != 7 || left[0].Bytes != add.Bytes || left[1].ID != empty.ID {
		t.Fatalf("left open: %+v", left)
	}
	sum := sha256.Sum256([]byte("torn"))
	torn := must[store.Clip](t)(db.SettleTorn(ctx, store.ClosedClip{Clip: clip.ID, Bytes: 9000, SHA256: sum[:]}))
	if torn.State != store.ClipTorn || !torn.End.Equal(add.End) || torn.Bytes != 9000 || torn.Plain != add.Plain {
		t.Errorf("settled as %+v", torn)
	}
	n, _, err := db.DeleteClips(ctx, []store.ID{empty.ID}, "lost")
	if err != nil || n != 1 {
		t.Errorf("dropped %d, %v", n, err)
	}
	if left := must[[]store.Clip](t)(db.OpenClips(ctx)); len(left) != 0 {
		t.Errorf("still open: %+v", left)
	}
	_, err = db.ReplaceClip(ctx, clip.ID)
	wantCode(t, err, store.Conflict) // no plan
	plan := store.Replacement{Clip: clip.ID, HeaderBytes: 300, Bytes: 9100, SHA256: sum[:]}
	ok(t, db.PlanReplacement(ctx, plan))
	whole := must[store.Clip](t)(db.ReplaceClip(ctx, clip.ID))
	if whole.State != store.ClipClosed || whole.HeaderBytes != 300 || whole.Bytes != 9100 || len(must[store.Clip](t)(db.Clip(ctx, clip.ID)).Parts) != 7 {
		t.Errorf("made whole as %+v", whole)
	}
	wantCode(t, db.PlanReplacement(ctx, plan), store.Conflict)
	if use := must[[]store.Usage](t)(db.Usage(ctx)); use[0].Bytes != 9100 || use[0].Clips != 1 {
		t.Errorf("usage is %+v", use)
	}
}

func TestClipQueries(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	var all []store.Clip
	for i := range 10 {
		all = append(all, h.record(t, noon.Add(minutes(i)), 60))
	}
	second := *h
	second.camera = must[store.Camera](t)(h.CreateCamera(ctx, store.NewCamera("Garden", "rtsps://192.0.2.8:322/main")))
	other := second.record(t, noon.Add(minutes(2)+time.Second), 60)

	ids := func(clips []store.Clip, err error) (out []store.ID) {
		ok(t, err)
		for _, c := range clips {
			out = append(out, c.ID)
		}
		return out
	}
	check := func(what string, query store.ClipQuery, want ...store.Clip) {
		t.Helper()
		if got := ids(h.Clips(ctx, query)); !slices.Equal(got, ids(want, nil)) {
			t.Errorf("%s: got %v", what, got)
		}
	}
	front := h.camera.ID
	check("one camera", store.ClipQuery{Camera: front}, all...)
	check("the clip that reaches into the range", store.ClipQuery{Camera: front, From: noon.Add(90 * time.Second), To: noon.Add(100 * time.Second)}, all[1])
	check("edges", store.ClipQuery{Camera: front, From: noon.Add(minutes(2)), To: noon.Add(minutes(4))}, all[2], all[3])
	check("limit", store.ClipQuery{Camera: front, Limit: 3}, all[:3]...)
	check("all cameras", store.ClipQuery{From: noon.Add(minutes(2)), To: noon.Add(minutes(4))}, all[2], other, all[3])
	check("before everything", store.ClipQuery{To: noon})
	check("after everything", store.ClipQuery{From: noon.Add(minutes(10))})

	if last := must[store.Clip](t)(h.LastClip(ctx, front)); last.ID != all[9].ID {
		t.Errorf("last clip is %v", last.ID)
	}
	oldest := func(query store.OldestQuery) []store.ID { return ids(h.Oldest(ctx, query)) }
	if got := oldest(store.OldestQuery{Limit: 4}); !slices.Equal(got, ids([]store.Clip{all[0], all[1], all[2], other}, nil)) {
		t.Errorf("oldest of all: %v", got)
	}
	ok(t, h.KeepClip(ctx, all[0].ID, true))
	if got := oldest(store.OldestQuery{Camera: front, Before: noon.Add(minutes(3)), Limit: 10}); !slices.Equal(got, ids(all[1:2], nil)) {
		t.Errorf("oldest of one before: %v", got)
	}
	_, err := h.Clips(ctx, store.ClipQuery{Camera: all[0].ID})
	wantCode(t, err, store.NotFound)
	use, recent := must[[]store.Usage](t)(h.Usage(ctx)), must[map[store.ID]int64](t)(h.Recent(ctx))
	if use[0].Clips != 10 || use[0].Bytes != 10*all[0].Bytes || use[0].KeptBytes != all[0].Bytes || recent[front] != use[0].Bytes ||
		!use[0].Oldest.Equal(noon) || !use[0].Newest.Equal(noon.Add(minutes(9))) || use[1].Clips != 1 {
		t.Errorf("usage is %+v", use)
	}
}

func TestTimeline(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	for i := range 5 { // 12:00 to 12:05
		h.record(t, noon.Add(minutes(i)), 60)
	}
	h.record(t, noon.Add(minutes(10)), 30) // 12:10:00 to 12:10:30
	open := h.begin(t, noon.Add(minutes(10)+30*time.Second))
	add := seconds(open.Start, 0, 5)
	add.Clip = open.ID
	ok(t, h.AppendParts(ctx, []store.ClipParts{add}))
	ok(t, h.AddGap(ctx, store.Gap{Camera: h.camera.ID, Start: noon.Add(minutes(5)), End: noon.Add(minutes(10)), Reason: store.GapOffline, Detail: "no answer"}))
	must[store.Event](t)(h.AddEvent(ctx, store.Event{Camera: h.camera.ID, Kind: "motion", Start: noon.Add(minutes(3)), Source: "test", Labels: []string{"person"}}))
	must[store.Event](t)(h.AddEvent(ctx, store.Event{Kind: "system", Start: noon.Add(minutes(3)), Source: "test"}))

	line := must[store.Timeline](t)(h.Timeline(ctx, h.camera.ID, noon.Add(30*time.Second), noon.Add(minutes(12)), time.Minute))
	want := []store.Span{{noon.Add(30 * time.Second), noon.Add(minutes(5))}, {noon.Add(minutes(10)), noon.Add(minutes(10) + 35*time.Second)}}
	if !slices.Equal(line.Spans, want) {
		t.Errorf("spans are %v", line.Spans)
	}
	if len(line.Gaps) != 1 || line.Gaps[0].Reason != store.GapOffline || line.Gaps[0].Detail != "no answer" {
		t.Errorf("gaps are %+v", line.Gaps)
	}
	if len(line.Events) != 1 || line.Events[0].Labels[0] != "person" {
		t.Errorf("events are %+v", line.Events)
	}
	if len(line.Buckets) != 12 || line.Buckets[0].Seconds != 60 || line.Buckets[4].Seconds != 30 || line.Buckets[5].Seconds != 0 ||
		line.Buckets[9].Seconds != 30 || line.Buckets[10].Seconds != 5 || line.Buckets[2].Events != 1 {
		t.Errorf("buckets are %+v", line.Buckets)
	}
	_, err := h.Timeline(ctx, h.camera.ID, noon, noon, 0)
	wantCode(t, err, store.Invalid)
	_, err = h.Timeline(ctx, h.camera.ID, noon, noon.Add(24*365*time.Hour), time.Second)
	wantCode(t, err, store.Invalid)
}

func TestGaps(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	at := func(n int, reason store.Reason) store.Gap {
		return store.Gap{Camera: h.camera.ID, Start: noon.Add(minutes(n)), Reason: reason}
	}
	ok(t, h.OpenGap(ctx, at(0, store.GapOffline)))
	ok(t, h.OpenGap(ctx, at(1, store.GapOffline))) // goes on
	ok(t, h.OpenGap(ctx, at(2, store.GapRefused))) // takes over
	if open := must[[]store.Gap](t)(h.OpenGaps(ctx)); len(open) != 1 || open[0].Reason != store.GapRefused {
		t.Errorf("open gaps are %+v", open)
	}
	ok(t, h.CloseGap(ctx, h.camera.ID, noon.Add(minutes(3))))
	ok(t, h.CloseGap(ctx, h.camera.ID, noon.Add(minutes(4)))) // nothing to end
	ok(t, h.OpenGap(ctx, at(5, store.GapClock)))
	ok(t, h.CloseGap(ctx, h.camera.ID, noon)) // the clock stepped back: the gap is dropped
	all := must[[]store.Gap](t)(h.Gaps(ctx, h.camera.ID, time.Time{}, time.Time{}))
	if len(all) != 2 || !all[0].End.Equal(noon.Add(minutes(2))) || !all[1].Start.Equal(noon.Add(minutes(2))) || !all[1].End.Equal(noon.Add(minutes(3))) {
		t.Errorf("gaps are %+v", all)
	}
	if touching := must[[]store.Gap](t)(h.Gaps(ctx, h.camera.ID, noon.Add(minutes(1)), noon.Add(minutes(2)))); len(touching) != 1 {
		t.Errorf("touching gaps are %+v", touching)
	}
	if n := must[int](t)(h.DropGaps(ctx, noon.Add(minutes(3)), 10)); n != 1 {
		t.Errorf("%d gaps dropped", n)
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	news, stop := h.Follow()
	defer stop()
	first := must[store.Event](t)(h.AddEvent(ctx, store.Event{Camera: h.camera.ID, Kind: "motion", Start: noon, Source: "test"}))
	select {
	case <-news:
	case <-time.After(time.Minute):
		t.Fatal("no wake-up")
	}
	second := must[store.Event](t)(h.AddEvent(ctx, store.Event{Kind: "storage", Start: noon.Add(time.Second), Source: "test", Data: json.RawMessage(`{"free":1}`)}))
	seq := must[int64](t)(h.Cursor(ctx, "mqtt"))
	list := must[[]store.Event](t)(h.EventsAfter(ctx, seq, 10))
	if len(list) != 2 || list[0].ID != first.ID || string(list[1].Data) != `{"free":1}` {
		t.Fatalf("events are %+v", list)
	}
	ok(t, h.PutCursor(ctx, "mqtt", list[1].Seq))
	must[store.Event](t)(h.UpdateEvent(ctx, first.ID, func(e *store.Event) error {
		e.End, e.Labels = noon.Add(minutes(1)), []string{"person"}
		return nil
	}))
	list = must[[]store.Event](t)(h.EventsAfter(ctx, must[int64](t)(h.Cursor(ctx, "mqtt")), 10))
	if len(list) != 1 || list[0].ID != first.ID || list[0].Seq != 3 || list[0].Labels[0] != "person" {
		t.Errorf("changed events are %+v", list)
	}
	if got := must[[]store.Event](t)(h.Events(ctx, store.EventQuery{})); len(got) != 2 || got[0].ID != second.ID {
		t.Errorf("all events are %+v", got)
	}
	if got := must[[]store.Event](t)(h.Events(ctx, store.EventQuery{Camera: h.camera.ID, Kind: "motion", From: noon, To: noon.Add(1), Limit: 5})); len(got) != 0 {
		t.Errorf("a range of less than a microsecond has %+v", got)
	}
	if n := must[int](t)(h.DropEvents(ctx, noon.Add(time.Second), 10)); n != 1 {
		t.Errorf("%d events dropped", n)
	}
	third := must[store.Event](t)(h.AddEvent(ctx, store.Event{Kind: "system", Start: noon, Source: "test"}))
	if third.Seq != 4 {
		t.Errorf("a change number was given twice: %d", third.Seq)
	}
}
