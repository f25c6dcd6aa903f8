package recorder

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync/atomic"
	"time"

	"cardea/camera/frame"
	"cardea/nvr/clock"
	"cardea/nvr/preview"
	"cardea/nvr/segment"
	"cardea/store"
	"cardea/store/disk"
	"cardea/store/vault"
)

const (
	// flushAt bounds the sealed bytes that wait in memory when a part is large or many come at once.
	flushAt = 1 << 20
	// makeRoom is the least that is asked for when the disk is full, so that it is not asked for each write.
	makeRoom = 64 << 20
)

// streamError says that a stream cannot be put into a clip.
type streamError struct{ err error }

func (e streamError) Error() string { return e.err.Error() }
func (e streamError) Unwrap() error { return e.err }

// clip is one that is being written. It belongs to its slot's goroutine.
type clip struct {
	line   *Line
	row    store.Clip
	stream *frame.Stream
	audio  bool
	limit  time.Duration // at this length the next key frame begins another clip
	origin int64         // DTS of the first picture
	rate   int64         // its clock rate

	to     vault.Recipient
	sketch preview.Collector
	shift  time.Duration // from the wall time of frames to that of the clip

	mux  *segment.Muxer
	seal io.WriteCloser
	file *disk.File
	hash hash.Hash
	seq  uint32

	plain  int64 // plaintext sealed or waiting to be
	bytes  int64 // written to the file
	synced int64 // durable
	dirty  bool  // in slot.dirty

	parts []store.Part // not announced
	ends  []mark       // where each of them ends
	ready int          // so many of them are in the batch
}

// mark is the end of a part.
type mark struct {
	at    time.Time
	plain int64
	mark  store.Mark // of its last picture
}

// sink collects what age seals in the slot's buffer.
type sink struct{ s *slot }

func (w sink) Write(p []byte) (int, error) {
	w.s.out = append(w.s.out, p...)
	return len(p), nil
}

// openClip begins a clip with the key frame first: the row, then the file.
func (l *Line) openClip(ctx context.Context, w wish, first *frame.Frame) (err error) {
	defer func() {
		if err != nil {
			// The header of a clip that will not be must not be written into that of the next camera.
			l.slot.out = l.slot.out[:0]
		}
	}()
	mux, err := segment.New(first.Stream, segment.Options{NoAudio: !w.Audio})
	if err != nil {
		return streamError{err}
	}
	l.slot.out = l.slot.out[:0]
	seal, header, err := vault.Seal(sink{l.slot}, w.Recipient)
	if err != nil {
		return err
	}
	c := &clip{
		line: l, stream: first.Stream, audio: w.Audio, limit: l.r.cfg.Length,
		origin: first.DTS, rate: int64(first.Stream.Tracks[first.Track].ClockRate),
		to: w.Recipient, mux: mux, seal: seal, hash: sha256.New(),
	}
	if !l.opened {
		c.limit += l.stagger
	}
	n, err := seal.Write(mux.Init())
	if err != nil {
		return err
	}
	c.plain = int64(n)
	c.row = store.Clip{
		Camera: l.cfg.Camera, Start: l.startOf(first), HeaderBytes: header, InitBytes: n, Vault: w.Vault, Codecs: mux.Codecs(),
	}
	if w.Mode == store.ModeEvent {
		c.row.Cause = store.CauseEvent
	}
	c.row.Fetched = l.past != 0
	if err := c.create(ctx); err != nil {
		return err
	}
	c.shift = c.row.Start.Sub(first.Wall)
	l.clip, l.opened = c, true
	if l.past != 0 {
		return nil
	}
	l.noteMissed(ctx, w, c.row.Start, first)
	l.explainHole(ctx, w, c.row.Start, first)
	l.mu.Lock()
	l.why, l.whyText = "", ""
	l.mu.Unlock()
	return nil
}

// create commits the row and makes the file.
func (c *clip) create(ctx context.Context) error {
	l := c.line
	row, err := l.r.cfg.DB.OpenClip(ctx, c.row)
	for range 100 {
		if store.ErrorCode(err) != store.Conflict {
			break
		}
		c.row.Start = c.row.Start.Add(time.Microsecond) // only after the clock was set back
		row, err = l.r.cfg.DB.OpenClip(ctx, c.row)
	}
	if err != nil {
		return err
	}
	c.row = row
	c.file, err = l.r.cfg.Files.Create(row.Path())
	if errors.Is(err, disk.ErrFull) && l.makeSpace(ctx, makeRoom) {
		c.file, err = l.r.cfg.Files.Create(row.Path())
	}
	if err != nil {
		if _, _, derr := l.r.cfg.DB.DeleteClips(ctx, []store.ID{row.ID}, "lost"); derr != nil {
			l.r.tear(row.ID)
		}
		return err
	}
	return nil
}

// startOf decides the wall time of a clip's first frame, see the package comment.
func (l *Line) startOf(first *frame.Frame) time.Time {
	start := first.Wall.Truncate(time.Microsecond) // as the index keeps it
	if l.ended.IsZero() {
		return start
	}
	if d := start.Sub(l.ended); d < seamless && d > -clock.MaxSlew {
		return l.ended
	}
	return start
}

// explainHole ends the gap that was going on, or notes one for a hole that nobody has explained.
func (l *Line) explainHole(ctx context.Context, w wish, start time.Time, first *frame.Frame) {
	explained := l.gap != ""
	l.endGap(ctx, start)
	if start.Before(l.ended) {
		l.addGap(ctx, store.Gap{Start: start.Add(-time.Millisecond), End: start, Reason: store.GapClock, Detail: "The clock of this box was set back."})
		return
	}
	from := l.ended
	if l.noted.After(from) {
		from = l.noted
	}
	if explained || l.ended.IsZero() || w.Mode != store.ModeContinuous || start.Sub(from) < holeLimit {
		return
	}
	gap := store.Gap{Start: from, End: start, Reason: store.GapRestart, Detail: "The camera's stream began anew."}
	switch {
	case first.Stream == l.lastStream:
		gap.Reason, gap.Detail = store.GapClock, "The clock of this box was set forward."
	case w.why != "":
		gap.Reason, gap.Detail = w.why, w.whyText
	}
	l.addGap(ctx, gap)
}

func (l *Line) addGap(ctx context.Context, gap store.Gap) {
	gap.Camera = l.cfg.Camera
	if err := l.r.cfg.DB.AddGap(ctx, gap); err != nil {
		l.log.ErrorContext(ctx, "a gap is not in the index", "reason", gap.Reason, "error", err)
	}
}

// since is where in the clip a frame is, by its own track's clock.
func (c *clip) since(f *frame.Frame) time.Duration {
	rate := int64(c.stream.Tracks[f.Track].ClockRate)
	// All tracks share one origin of time.
	return ticks(f.DTS, rate) - ticks(c.origin, c.rate)
}

// ticks converts a time in units of rate without overflow.
func ticks(v, rate int64) time.Duration {
	return time.Duration(v/rate)*time.Second + time.Duration(v%rate)*time.Second/time.Duration(rate)
}

// due says whether a key frame begins another clip.
func (c *clip) due(key *frame.Frame, s Settings) bool {
	return c.since(key) >= c.limit || s.Vault != c.row.Vault || s.Audio != c.audio || c.plain >= c.line.r.cfg.MaxBytes
}

// endless says whether the clip must end although no key frame comes.
func (c *clip) endless(f *frame.Frame) bool {
	return c.since(f) >= c.line.r.cfg.MaxLength || c.plain >= c.line.r.cfg.MaxBytes
}

// write seals one part. next is the frame behind it, if that has come.
func (c *clip) write(ctx context.Context, frames []*frame.Frame, next *frame.Frame) error {
	n, err := c.mux.WritePart(c.seal, frames, next, c.seq+1)
	if err != nil {
		return streamError{err}
	}
	if n == 0 {
		return nil
	}
	c.seq++
	c.parts = append(c.parts, store.Part{Start: c.line.within(c.row.Start.Add(max(0, c.since(frames[0])))), Offset: c.plain, Key: isKey(frames[0])})
	c.plain += n
	c.ends = append(c.ends, mark{at: c.line.within(c.row.Start.Add(c.mux.End().Truncate(time.Microsecond))), plain: c.plain, mark: c.markOf(frames)})
	for i := len(frames) - 1; i >= 0; i-- {
		if frames[i].Video() {
			c.line.lastStream, c.line.lastDTS = c.stream, frames[i].DTS
			break
		}
	}
	if len(c.line.slot.out) >= flushAt {
		return c.flush(ctx)
	}
	return nil
}

// flush writes what is sealed. Where the disk is full it asks for space first.
func (c *clip) flush(ctx context.Context) error {
	l, s := c.line, c.line.slot
	out := s.out
	s.out = out[:0]
	if len(out) == 0 {
		return nil
	}
	err := c.file.Append(out)
	for try := 0; errors.Is(err, disk.ErrFull) && try < 3 && l.makeSpace(ctx, max(makeRoom, int64(len(out)))); try++ {
		err = c.file.Append(out)
	}
	if err != nil {
		return err
	}
	c.hash.Write(out)
	c.bytes += int64(len(out))
	atomic.AddUint64(&l.r.stats.Bytes, uint64(len(out)))
	if !c.dirty {
		c.dirty = true
		s.dirty = append(s.dirty, c)
	}
	return nil
}

// endsAt corrects the end of the last part, which was a guess as long as the picture behind it was not known.
func (c *clip) endsAt(next *frame.Frame) {
	at := c.line.within(c.row.Start.Add(c.since(next).Truncate(time.Microsecond)))
	if n := len(c.ends); n > 0 {
		c.ends[n-1].at = at
	} else {
		c.row.End = at
	}
}

func (l *Line) makeSpace(ctx context.Context, need int64) bool {
	if l.r.cfg.MakeSpace == nil {
		return false
	}
	freed, err := l.r.cfg.MakeSpace(ctx, need)
	if err != nil {
		l.log.ErrorContext(ctx, "no space could be made", "error", err)
	}
	return freed > 0
}

// durable gives the parts that became durable and were not announced yet.
func (c *clip) durable() (store.ClipParts, bool) {
	chunks := (c.synced - int64(c.row.HeaderBytes)) / vault.SealedChunkSize
	c.ready = 0
	for c.ready < len(c.ends) && c.ends[c.ready].plain <= chunks*vault.ChunkSize {
		c.ready++
	}
	if c.ready == 0 {
		return store.ClipParts{}, false
	}
	end := c.ends[c.ready-1]
	return store.ClipParts{Clip: c.row.ID, Parts: c.parts[:c.ready], End: end.at, Plain: end.plain, Bytes: c.synced, Mark: c.line.markFor(end.mark), Missed: c.line.past}, true
}

// announced forgets the parts of the last batch.
func (c *clip) announced() int {
	n := c.ready
	if n > 0 {
		c.row.End = c.ends[n-1].at
		c.line.mark = c.line.markFor(c.ends[n-1].mark)
		c.parts = c.parts[:copy(c.parts, c.parts[n:])]
		c.ends = c.ends[:copy(c.ends, c.ends[n:])]
		c.ready = 0
	}
	return n
}

// finishClip completes the clip: final chunk, durable, row.
func (l *Line) finishClip(ctx context.Context) {
	c := l.clip
	if c == nil {
		return
	}
	err := c.complete(ctx)
	if err != nil {
		l.giveUp(ctx, err)
		return
	}
	l.clip = nil
	closed := store.ClosedClip{Clip: c.row.ID, Parts: c.parts, End: c.row.End, Bytes: c.bytes, SHA256: c.hash.Sum(nil), Missed: l.past}
	l.ended = c.row.End
	if n := len(c.ends); n > 0 {
		closed.End, closed.Plain, closed.Mark = c.ends[n-1].at, c.ends[n-1].plain, l.markFor(c.ends[n-1].mark)
		l.mark = closed.Mark
		l.ended = closed.End
	}
	l.recovered()
	atomic.AddUint64(&l.r.stats.Clips, 1)
	atomic.AddUint64(&l.r.stats.Parts, uint64(len(c.parts)))
	sketch := l.sealSketch(ctx, c, closed.End)
	if sketch != nil {
		closed.Preview = &sketch.Row
	}
	if _, err := l.r.cfg.DB.CloseClip(ctx, closed); err != nil {
		closed.Preview = nil
		l.log.ErrorContext(ctx, "a clip is complete, but not in the index yet", "clip", c.row.ID.String(), "error", err)
		l.r.raise("index", "The index cannot be written: "+err.Error())
		l.r.unfinished(closed)
		return
	}
	if sketch != nil {
		l.keepSketch(ctx, sketch)
	}
	l.log.DebugContext(ctx, "clip", "id", c.row.ID.String(), "bytes", c.bytes, "seconds", l.ended.Sub(c.row.Start).Seconds())
}

// complete writes the final chunk and makes the file durable.
func (c *clip) complete(ctx context.Context) error {
	if err := c.seal.Close(); err != nil {
		return fmt.Errorf("seal the end of a clip: %w", err)
	}
	if err := c.flush(ctx); err != nil {
		return err
	}
	if err := c.file.Datasync(); err != nil {
		return err
	}
	c.synced = c.bytes
	return c.file.Close()
}

// giveUp leaves the clip as a torn one and holds the line back for a while.
func (l *Line) giveUp(ctx context.Context, err error) {
	c := l.clip
	l.clip = nil
	l.slot.out = l.slot.out[:0]
	atomic.AddUint64(&l.r.stats.Errors, 1)
	if cerr := c.file.Close(); cerr != nil {
		l.log.DebugContext(ctx, "close the file of a clip given up", "error", cerr)
	}
	l.ended = c.row.End
	l.r.tear(c.row.ID)
	l.refuse(ctx, err)
}
