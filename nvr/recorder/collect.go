package recorder

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"cardea/camera/frame"
	"cardea/nvr/hub"
	"cardea/store"
	"cardea/store/disk"
)

const (
	// seamless is how far a new clip's first frame may seem to be from the end of the last one and still follow it
	// without a hole: the jitter of arrival.
	seamless = 100 * time.Millisecond
	// holeLimit is the shortest hole between two clips that is worth a gap.
	holeLimit = time.Second
	// quiet is how long a camera that is said to be streaming may bring nothing before that is a gap.
	quiet = 10 * time.Second
)

// wish is what others want of a line, copied under its lock.
type wish struct {
	Settings
	reason, why     store.Reason
	detail, whyText string
	until           time.Time
	recording       bool // a clip may begin
}

func (l *Line) wish() wish {
	l.mu.Lock()
	defer l.mu.Unlock()
	return wish{Settings: l.want, reason: l.reason, detail: l.detail, why: l.why, whyText: l.whyText, until: l.until}
}

// collect takes what has arrived and writes it. It never fails: what goes wrong ends in the line's state.
func (l *Line) collect(ctx context.Context) {
	l.prime(ctx)
	w, now := l.wish(), l.r.cfg.Now()
	l.forgetMark(ctx, w)
	w.recording = l.subscribe(w, now)
	if l.cfg.Pull != nil {
		l.cfg.Pull()
	}
	frames := 0
	if l.reader != nil {
		s := l.slot
		s.frames = l.reader.Drain(s.frames[:0])
		frames = len(s.frames)
		l.cut(ctx, w, s.frames)
		clear(s.frames)
		l.lost(ctx)
	}
	l.sketch(w)
	if l.clip != nil && (!w.recording || frames == 0 && w.reason != "") {
		l.finishClip(ctx)
	}
	if !w.recording && l.clip == nil && l.reader != nil {
		l.reader.Close()
		l.reader = nil
	}
	l.note(ctx, w, now)
}

// prime asks the index, once, where recording ended.
func (l *Line) prime(ctx context.Context) {
	if l.primed {
		return
	}
	last, err := l.r.cfg.DB.LastClip(ctx, l.cfg.Camera)
	if err != nil && store.ErrorCode(err) != store.NotFound {
		l.log.WarnContext(ctx, "the end of the last clip is not known yet", "error", err)
		return
	}
	l.ended = last.End
	if l.mark, err = l.r.cfg.DB.Mark(ctx, l.cfg.Camera); err != nil {
		l.log.WarnContext(ctx, "the newest picture is not known yet", "error", err)
		return
	}
	gaps, err := l.r.cfg.DB.OpenGaps(ctx)
	if err != nil {
		l.log.WarnContext(ctx, "open gaps are not known yet", "error", err)
		return
	}
	for _, g := range gaps {
		if g.Camera == l.cfg.Camera {
			l.gap, l.gapText = g.Reason, g.Detail
		}
	}
	l.primed = true
}

// subscribe has a reader exactly while frames are wanted, and says whether they are.
func (l *Line) subscribe(w wish, now time.Time) bool {
	recording := !w.Recipient.IsZero() && (w.Mode == store.ModeContinuous || w.Mode == store.ModeEvent && now.Before(w.until))
	if recording && l.reader == nil {
		config := hub.ReaderConfig{KeyFirst: true, MaxBytes: l.r.cfg.QueueBytes}
		if w.Mode == store.ModeEvent {
			config.Preroll = w.PreRoll
			config.MaxBytes *= 4 // the pre-roll is in memory already; the queue only points to it
		}
		l.reader, l.drops = l.cfg.Hub.Subscribe(config), hub.Drops{}
	}
	return recording
}

// cut writes frames part by part. A part ends before a key frame, at another Stream, or with the tick.
func (l *Line) cut(ctx context.Context, w wish, frames []*frame.Frame) {
	for from := 0; from < len(frames); {
		to := from + 1
		for to < len(frames) && !isKey(frames[to]) && frames[to].Stream == frames[from].Stream {
			to++
		}
		var next *frame.Frame
		if to < len(frames) && frames[to].Stream == frames[from].Stream {
			next = frames[to]
		}
		l.part(ctx, w, frames[from:to], next)
		from = to
	}
	if l.clip != nil {
		if err := l.clip.flush(ctx); err != nil {
			l.giveUp(ctx, err)
		}
	}
}

func isKey(f *frame.Frame) bool { return f.Key && f.Video() }

// part puts one part into the clip it belongs to.
func (l *Line) part(ctx context.Context, w wish, frames []*frame.Frame, next *frame.Frame) {
	first := frames[0]
	if c := l.clip; c != nil && (first.Stream != c.stream || isKey(first) && c.due(first, w.Settings)) {
		if first.Stream == c.stream {
			c.endsAt(first)
		}
		l.finishClip(ctx)
	}
	if c := l.clip; c != nil && !isKey(first) && c.endless(first) {
		l.finishClip(ctx)
		l.setGap(ctx, store.GapDecode, "The camera sends no key frame any more; it is asked to start over.", l.ended)
		if l.cfg.OnEndless != nil {
			l.cfg.OnEndless()
		}
	}
	if l.clip == nil {
		recorded := first.Stream == l.lastStream && first.DTS <= l.lastDTS // a pre-roll may reach into the clip before
		if !w.recording || !isKey(first) || recorded || l.trouble.reason != "" && time.Now().Before(l.trouble.until) {
			return
		}
		if err := l.openClip(ctx, w, first); err != nil {
			l.refuse(ctx, err)
			return
		}
	}
	if err := l.clip.write(ctx, frames, next); err != nil {
		l.giveUp(ctx, err)
	}
}

// lost turns frames that the queue could not hold into a gap.
func (l *Line) lost(ctx context.Context) {
	drops := l.reader.Dropped()
	if n := drops.Frames - l.drops.Frames; n > 0 {
		atomic.AddUint64(&l.r.stats.Dropped, n)
		l.mu.Lock()
		l.state.Dropped += n
		l.mu.Unlock()
	}
	// A run of drops is over when it has an end that was not reported before.
	if !drops.Until.IsZero() && !drops.Until.Equal(l.drops.Until) {
		l.log.WarnContext(ctx, "the disk was too slow", "from", drops.From, "until", drops.Until)
		l.addGap(ctx, store.Gap{
			Start: drops.From, End: drops.Until, Reason: store.GapOverload,
			Detail: "The disk or the box was too slow to keep what the camera sent.",
		})
	}
	l.drops = drops
}

// refuse holds back new clips for a while after an error.
func (l *Line) refuse(ctx context.Context, err error) {
	reason, detail := explain(err)
	t := &l.trouble
	t.backoff = min(max(2*t.backoff, time.Second), 30*time.Second)
	t.until = time.Now().Add(t.backoff)
	if t.reason != reason || t.detail != detail {
		l.log.ErrorContext(ctx, "recording stopped", "reason", reason, "error", err)
	}
	t.reason, t.detail = reason, detail
	if reason != store.GapDecode {
		l.r.raise(string(reason), detail)
	}
}

// recovered ends trouble: something is durable again.
func (l *Line) recovered() {
	if l.trouble != (trouble{}) {
		l.trouble = trouble{}
		l.log.Info("recording again")
	}
	l.r.clear(string(store.GapDiskFull), string(store.GapDiskMissing), string(store.GapDiskError))
}

// explain gives the gap reason of an error and a sentence for people.
func explain(err error) (store.Reason, string) {
	switch {
	case errors.Is(err, disk.ErrFull):
		return store.GapDiskFull, "The disk is full and nothing on it may be deleted. Free some space, or lower what is to be kept."
	case errors.Is(err, disk.ErrNotMounted):
		return store.GapDiskMissing, "The disk for recordings is not mounted. Connect it; nothing is written to another disk meanwhile."
	case errors.Is(err, disk.ErrOtherStore):
		return store.GapDiskMissing, "The disk for recordings belongs to another Cardea. Connect the right one, or choose another directory."
	case errors.As(err, new(streamError)):
		return store.GapDecode, "What the camera sends cannot be recorded: " + err.Error()
	}
	return store.GapDiskError, "Recordings cannot be written: " + err.Error()
}

// note keeps the gap in the index and the line's state in step with what happened.
func (l *Line) note(ctx context.Context, w wish, now time.Time) {
	if l.clip != nil {
		l.mu.Lock()
		l.state = State{Active: true, Clip: l.clip.row.ID, Since: l.clip.row.Start, Dropped: l.state.Dropped}
		l.mu.Unlock()
		return
	}
	reason, detail := l.trouble.reason, l.trouble.detail
	choice := ""
	switch {
	case w.Mode == store.ModeOff:
		reason, choice = "", ByModeOff
	case w.reason != "":
		reason, detail = w.reason, w.detail
	case w.Recipient.IsZero():
		reason, detail = store.GapNoVault, "There is no vault yet, so nobody could open what is recorded. Create one."
	case w.Mode == store.ModeEvent && !w.recording:
		reason, choice = "", ByModeEvent
	case reason == "" && l.gap == "" && !l.ended.IsZero() && now.Sub(l.ended) > quiet:
		reason, detail = store.GapOffline, "The camera is connected and sends no pictures."
	}
	switch {
	case reason != "":
		from := now
		if l.gap == "" && l.ended.After(l.noted) {
			from = l.ended // the gap begins where the last clip ended
		}
		l.setGap(ctx, reason, detail, from)
	case choice != "":
		l.endGap(ctx, now)
		l.noted = now
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = State{Reason: string(reason) + choice, Detail: detail, Dropped: l.state.Dropped}
}

func (l *Line) setGap(ctx context.Context, reason store.Reason, detail string, from time.Time) {
	if l.past != 0 {
		return
	}
	if l.gap == reason && l.gapText == detail {
		return
	}
	err := l.r.cfg.DB.OpenGap(ctx, store.Gap{Camera: l.cfg.Camera, Start: from, Reason: reason, Detail: detail})
	if err != nil {
		l.log.ErrorContext(ctx, "a gap is not in the index", "reason", reason, "error", err)
		return
	}
	l.gap, l.gapText, l.noted = reason, detail, from
}

func (l *Line) endGap(ctx context.Context, at time.Time) {
	if l.gap == "" {
		return
	}
	if err := l.r.cfg.DB.CloseGap(ctx, l.cfg.Camera, at); err != nil {
		l.log.ErrorContext(ctx, "the end of a gap is not in the index", "error", err)
		return
	}
	l.gap, l.gapText = "", ""
}

// end finishes the line; reason begins a gap.
func (l *Line) end(ctx context.Context, reason store.Reason) {
	l.finishClip(ctx)
	if l.reader != nil {
		l.reader.Close()
		l.reader = nil
	}
	l.endSketch()
	w := l.wish()
	if reason != "" && l.gap == "" && w.Mode == store.ModeContinuous && !l.ended.IsZero() {
		l.setGap(ctx, reason, "", l.ended)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = State{Dropped: l.state.Dropped}
}
