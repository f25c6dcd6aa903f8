package retention

import (
	"context"
	"time"

	"cardea/store"
)

// Forecast is how recordings and the limits on them will go on.
type Forecast struct {
	// Policy is what was set; MinFree is never 0 here.
	Policy Policy
	// Used are the bytes of all clips, Kept those of clips that no rule takes.
	Used, Kept int64
	// Free and Total are those of the disk.
	Free, Total int64
	// PerDay is how many bytes a day of recording takes at the rate of the last day, 0 while that is unknown; Days is how many of
	// them fit, 0 while unknown.
	PerDay int64
	Days   float64
	// Cameras are those that record, and those removed that have clips left.
	Cameras []CameraForecast
	// Next is the clip that goes next; the zero value where there is none.
	Next Next
}

// CameraForecast is the same of one camera.
type CameraForecast struct {
	store.Usage
	Name    string
	Removed bool
	// PerDay is as in Forecast.
	PerDay int64
	// Days is how many days of this camera there will be at last, with everything going on as it does: what its rules, those of the
	// box and the disk leave of it. 0 while unknown.
	Days float64
	// Limit is what ends them: age, bytes or space; "" while unknown.
	Limit string
}

// Next is what retention takes next.
type Next struct {
	Clip   store.ID
	Camera store.ID
	Start  time.Time
	// Reason is age, bytes or space; At is when, as far as it can be told.
	Reason string
	At     time.Time
}

// Forecast looks ahead, at the rate of the last day.
func (k *Keeper) Forecast(ctx context.Context) (Forecast, error) {
	p, err := Load(ctx, k.cfg.DB)
	if err != nil {
		return Forecast{}, err
	}
	usage, err := k.cfg.DB.Usage(ctx)
	if err != nil {
		return Forecast{}, err
	}
	recent, err := k.cfg.DB.Recent(ctx)
	if err != nil {
		return Forecast{}, err
	}
	space, err := k.cfg.Files.Free()
	if err != nil {
		return Forecast{}, err
	}
	cameras, err := k.cameras(ctx)
	if err != nil {
		return Forecast{}, err
	}
	p.MinFree = p.minFree(space.Total)
	f := Forecast{Policy: p, Free: space.Free, Total: space.Total}
	now, rules := k.cfg.Now(), map[store.ID]store.Camera{}
	for _, c := range cameras {
		rules[c.ID] = c
	}
	for _, u := range usage {
		c, ok := rules[u.Camera]
		if !ok || !c.Removed.IsZero() && u.Clips == 0 {
			continue
		}
		f.Used, f.Kept = f.Used+u.Bytes, f.Kept+u.KeptBytes
		one := CameraForecast{Usage: u, Name: c.Name, Removed: !c.Removed.IsZero()}
		if !one.Removed {
			one.PerDay = perDay(recent[u.Camera], u.Oldest, now)
		}
		f.PerDay += one.PerDay
		f.Cameras = append(f.Cameras, one)
	}
	room := f.Used - f.Kept + f.Free - p.MinFree
	limit := "space"
	if most := loose(p.Bytes, f.Kept); p.Bytes > 0 && most < room {
		room, limit = most, "bytes"
	}
	if f.PerDay > 0 {
		f.Days = max(0, float64(room)/float64(f.PerDay))
	}
	for i := range f.Cameras {
		f.Cameras[i].look(rules[f.Cameras[i].Camera], p, f.Days, limit)
	}
	f.Next, err = k.next(ctx, f, rules, room, limit)
	return f, err
}

// perDay is the rate of a camera from what it recorded in the last day, or in what there is of it.
func perDay(recent int64, oldest, now time.Time) int64 {
	span := 24 * time.Hour
	if d := now.Sub(oldest); d < span {
		span = d
	}
	if recent == 0 || span < 2*time.Minute {
		return 0
	}
	return int64(float64(recent) * (24 * time.Hour.Hours() / span.Hours()))
}

// look finds what ends the recordings of a camera first. all and limit are what the disk and the rule of the box allow all cameras.
func (c *CameraForecast) look(row store.Camera, p Policy, all float64, limit string) {
	if c.PerDay == 0 {
		return
	}
	c.Days, c.Limit = all, limit
	if own := float64(loose(row.RetentionBytes, c.KeptBytes)) / float64(c.PerDay); row.RetentionBytes > 0 && own < c.Days {
		c.Days, c.Limit = own, "bytes"
	}
	if days := float64(days(row, p)); days <= c.Days {
		c.Days, c.Limit = days, "age"
	}
}

// days is how long the clips of a camera are kept.
func days(row store.Camera, p Policy) int {
	if row.RetentionDays > 0 {
		return row.RetentionDays
	}
	return p.Days
}

// next finds the clip that a rule takes first. room is what all clips that are not kept may take.
func (k *Keeper) next(ctx context.Context, f Forecast, rules map[store.ID]store.Camera, room int64, limit string) (next Next, err error) {
	now := k.cfg.Now()
	earlier := func(clip store.Clip, reason string, at time.Time) {
		if at.Before(now) {
			at = now
		}
		if next.At.IsZero() || at.Before(next.At) {
			next = Next{Clip: clip.ID, Camera: clip.Camera, Start: clip.Start, Reason: reason, At: at}
		}
	}
	var first store.Clip // of all cameras
	for _, c := range f.Cameras {
		oldest, err := k.cfg.DB.Oldest(ctx, store.OldestQuery{Camera: c.Camera, Limit: 1})
		if err != nil && store.ErrorCode(err) != store.NotFound {
			return Next{}, err
		}
		if len(oldest) == 0 {
			continue
		}
		clip, row := oldest[0], rules[c.Camera]
		if first.Start.IsZero() || clip.Start.Before(first.Start) {
			first = clip
		}
		earlier(clip, "age", clip.End.AddDate(0, 0, days(row, f.Policy)))
		if row.RetentionBytes > 0 && c.PerDay > 0 {
			earlier(clip, "bytes", now.Add(until(loose(row.RetentionBytes, c.KeptBytes)-(c.Bytes-c.KeptBytes), c.PerDay)))
		}
	}
	if f.PerDay > 0 && !first.Start.IsZero() {
		earlier(first, limit, now.Add(until(room-(f.Used-f.Kept), f.PerDay)))
	}
	return next, nil
}

// until is how long it takes to fill so many bytes.
func until(left, perDay int64) time.Duration {
	const most = 100 * 365 * 24 // hours
	return time.Duration(min(max(0, float64(left)/float64(perDay)*24), most) * float64(time.Hour))
}
