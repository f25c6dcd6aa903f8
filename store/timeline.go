package store

import (
	"context"
	"math"
	"time"
)

// slack is how far two clips may lie apart to be shown as one span: the last frame's duration is an estimate.
const slack = int64(time.Second / time.Microsecond)

// Span is a time with footage.
type Span struct{ Start, End time.Time }

// Bucket sums up one step of a timeline.
type Bucket struct {
	Start   time.Time
	Seconds float64 // footage in it
	Events  int     // events that begin in it
}

// Timeline is what a camera has between From and To.
type Timeline struct {
	Camera   ID
	From, To time.Time
	Step     time.Duration
	Spans    []Span  // cut to the range, in order, apart by more than a second
	Gaps     []Gap   // that touch the range, uncut
	Events   []Event // that begin in the range, in order
	Buckets  []Bucket
}

// Timeline gives spans, gaps, events and buckets of a camera from from (included) to to (not), in buckets of step, which is at
// least a second and so long that there are no more than 10,000 of them; 0 gives no buckets. An open clip counts up to its last durable part.
func (db *DB) Timeline(ctx context.Context, camera ID, from, to time.Time, step time.Duration) (Timeline, error) {
	line := Timeline{Camera: camera, From: fromMicros(micros(from)), To: fromMicros(micros(to)), Step: step}
	switch {
	case !to.After(from):
		return line, Errorf(Invalid, "the end of a timeline is after its beginning")
	case step != 0 && step < time.Second, step != 0 && to.Sub(from)/step > 10000:
		return line, Errorf(Invalid, "the step of a timeline is at least a second and gives at most 10,000 buckets")
	}
	err := db.read(ctx, func(t *tx) error {
		no, err := cameraNo(t, camera)
		if err != nil {
			return err
		}
		if line.Spans, err = spans(t, no, micros(from), micros(to)); err != nil {
			return err
		}
		if line.Gaps, err = gaps(t, no, from, to); err != nil {
			return err
		}
		line.Events, err = list(t, scanEvent, eventColumns+`WHERE event.camera_no = ? AND event.start >= ? AND event.start < ?
			ORDER BY event.start, event.seq`, no, micros(from), micros(to))
		return err
	})
	if err == nil && step != 0 {
		line.fill()
	}
	return line, err
}

// spans merges the clips of a range. Only two integers a clip leave SQLite; see Clips for the look back before from.
func spans(t *tx, camera, from, to int64) ([]Span, error) {
	statement, err := t.statement(`SELECT start,
		coalesce("end", (SELECT "end" FROM open_part WHERE clip = clip.id ORDER BY n DESC LIMIT 1), start)
		FROM clip WHERE camera_no = ?1
		AND start >= coalesce((SELECT max(start) FROM clip WHERE camera_no = ?1 AND start <= ?2), ?2) AND start < ?3 ORDER BY start`)
	if err != nil {
		return nil, err
	}
	rows, err := statement.QueryContext(t.ctx, camera, from, to)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err below has what matters
	var merged []Span
	first, last := int64(0), int64(math.MinInt64)
	flush := func() {
		if last > first {
			merged = append(merged, Span{fromMicros(first), fromMicros(last)})
		}
	}
	for rows.Next() {
		var start, end int64
		if err := rows.Scan(&start, &end); err != nil {
			return nil, err
		}
		start, end = max(start, from), min(end, to)
		if end <= start {
			continue
		}
		if last == math.MinInt64 || start > last+slack {
			flush()
			first, last = start, end
		}
		last = max(last, end)
	}
	flush()
	return merged, rows.Err()
}

// fill makes the buckets from spans and events.
func (l *Timeline) fill() {
	count := int((l.To.Sub(l.From) + l.Step - 1) / l.Step)
	l.Buckets = make([]Bucket, count)
	for i := range l.Buckets {
		l.Buckets[i].Start = l.From.Add(time.Duration(i) * l.Step)
	}
	for _, span := range l.Spans {
		for i := int(span.Start.Sub(l.From) / l.Step); i < count; i++ {
			from, to := l.Buckets[i].Start, l.Buckets[i].Start.Add(l.Step)
			if !span.End.After(from) {
				break
			}
			if from.Before(span.Start) {
				from = span.Start
			}
			if to.After(span.End) {
				to = span.End
			}
			l.Buckets[i].Seconds += to.Sub(from).Seconds()
		}
	}
	for i := range l.Events {
		l.Buckets[int(l.Events[i].Start.Sub(l.From)/l.Step)].Events++
	}
}
