package nvr

import (
	"testing"
	"time"

	"cardea/nvr/clock"
	"cardea/store"
	"cardea/store/parts"
	"cardea/store/vault"
)

// TestServedSpans holds what a link with a span of time serves against what it must: whole chunks of the parts in between, the header and
// the init segment, and nothing else.
func TestServedSpans(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	clip := &Clip{}
	clip.Start, clip.End, clip.HeaderBytes = start, start.Add(60*time.Second), 216
	for i := range 60 {
		clip.Parts = append(clip.Parts, parts.Part{Start: start.Add(time.Duration(i) * time.Second), Offset: 1000 + int64(i)*500_000, Key: i%2 == 0})
	}
	plain := int64(1000 + 60*500_000)
	size := 216 + plain + (plain+vault.ChunkSize-1)/vault.ChunkSize*16
	at := func(second int) time.Time { return start.Add(time.Duration(second) * time.Second) }

	if got := servedSpans(clip, size, time.Time{}, time.Time{}); len(got) != 1 || got[0] != [2]int64{0, size} {
		t.Errorf("without a span: %v", got)
	}
	for name, c := range map[string]struct{ from, to, firstPart, lastPart int }{
		"in the middle":   {31, 34, 30, 33}, // part 31 starts without a key frame
		"on the border":   {20, 21, 20, 20},
		"at the start":    {-10, 2, 0, 1},
		"to the end":      {58, 90, 58, 59},
		"all of the clip": {-1, 61, 0, 59},
	} {
		shown := within(clip, at(c.from), at(c.to))
		if len(shown) != c.lastPart-c.firstPart+1 || shown[0] != clip.Parts[c.firstPart] {
			t.Errorf("%s: %d parts from %v on", name, len(shown), shown[0].Start)
		}
		spans := servedSpans(clip, size, at(c.from), at(c.to))
		covered := func(plainByte int64) bool {
			b := 216 + plainByte/vault.ChunkSize*vault.SealedChunkSize
			for _, s := range spans {
				if s[0] <= b && b < s[1] {
					return true
				}
			}
			return false
		}
		if spans[0][0] != 0 || spans[0][1] < 216+vault.SealedChunkSize {
			t.Errorf("%s: no head in %v", name, spans)
		}
		for i, p := range clip.Parts {
			end := plain
			if i+1 < len(clip.Parts) {
				end = clip.Parts[i+1].Offset
			}
			inside := i >= c.firstPart && i <= c.lastPart
			if inside && (!covered(p.Offset) || !covered(end-1)) {
				t.Errorf("%s: part %d is not served whole by %v", name, i, spans)
			}
			// A chunk at the border may belong to both.
			if !inside && p.Offset > vault.ChunkSize && covered((p.Offset+end)/2) {
				t.Errorf("%s: part %d is served by %v", name, i, spans)
			}
		}
	}
	if got := within(clip, at(100), at(200)); got != nil {
		t.Errorf("a span beside the clip shows %d parts", len(got))
	}
	if spans := servedSpans(clip, size, at(100), at(200)); len(spans) != 1 || spans[0][1] != 216+vault.SealedChunkSize {
		t.Errorf("a span beside the clip serves %v", spans)
	}
}

// TestShareChecks holds what is refused before anything is asked or written.
func TestShareChecks(t *testing.T) {
	t.Parallel()
	now := time.Now()
	n := &NVR{clock: clock.New(clock.System(), time.Time{})}
	keys := make([]byte, 60)
	for name, s := range map[string]NewShare{
		"no clips":       {Keys: keys, Expires: now.Add(time.Hour)},
		"no keys":        {Clips: []store.ID{{1}}, Expires: now.Add(time.Hour)},
		"keys too long":  {Clips: []store.ID{{1}}, Keys: make([]byte, maxShareKeys+1), Expires: now.Add(time.Hour)},
		"past":           {Clips: []store.ID{{1}}, Keys: keys, Expires: now.Add(-time.Second)},
		"for ever":       {Clips: []store.ID{{1}}, Keys: keys, Expires: now.Add(32 * 24 * time.Hour)},
		"half a span":    {Clips: []store.ID{{1}}, Keys: keys, Expires: now.Add(time.Hour), From: now},
		"turned around":  {Clips: []store.ID{{1}}, Keys: keys, Expires: now.Add(time.Hour), From: now, To: now.Add(-time.Second)},
		"negative views": {Clips: []store.ID{{1}}, Keys: keys, Expires: now.Add(time.Hour), MaxViews: -1},
	} {
		if _, err := n.checkShare(t.Context(), s); store.ErrorCode(err) != store.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}
