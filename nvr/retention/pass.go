package retention

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cardea/store"
)

// Pass applies the policy once and finishes deletions that were interrupted.
func (k *Keeper) Pass(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	p, err := Load(ctx, k.cfg.DB)
	if err != nil {
		return err
	}
	if _, err := k.cfg.DB.Sweep(ctx, k.cfg.Files, nil); err != nil {
		return err
	}
	k.short = false
	// The limits are independent: one that cannot be applied must not keep the others from it.
	return errors.Join(k.removed(ctx), k.byAge(ctx, p), k.byBytes(ctx, p), k.bySpace(ctx, p), k.tell(ctx), k.forget(ctx, p))
}

// MakeSpace deletes the oldest clips until at least need bytes are free that were not before, and gives how many are. It
// is for a disk that is full now; 0 without an error means that there is nothing left to delete.
func (k *Keeper) MakeSpace(ctx context.Context, need int64) (int64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	// Several cameras find the disk full in the same moment; the first one's deletion may be enough for all.
	if p, err := Load(ctx, k.cfg.DB); err == nil {
		if space, err := k.cfg.Files.Free(); err == nil && space.Free > max(need, p.minFree(space.Total)/2) && space.Files != 0 {
			return need, nil
		}
	}
	freed, err := k.oldest(ctx, store.OldestQuery{}, need, "space")
	k.cfg.Log.WarnContext(ctx, "the disk is full; the oldest clips went", "bytes", freed)
	return freed, err
}

// removed deletes the clips of cameras that a person removed with them.
func (k *Keeper) removed(ctx context.Context) error {
	cameras, err := k.cfg.DB.Purging(ctx)
	for _, c := range cameras {
		if err == nil {
			err = k.purge(ctx, c.ID)
		}
	}
	return err
}

func (k *Keeper) purge(ctx context.Context, camera store.ID) error {
	for {
		clips, err := k.cfg.DB.Clips(ctx, store.ClipQuery{Camera: camera, Limit: batch})
		if store.ErrorCode(err) == store.NotFound {
			return nil // it went with its last clip
		}
		if err != nil {
			return err
		}
		var ids []store.ID
		for _, c := range clips {
			if c.State != store.ClipOpen {
				ids = append(ids, c.ID)
			}
		}
		if len(ids) == 0 {
			return nil
		}
		if _, err := k.delete(ctx, ids, "camera"); err != nil {
			return err
		}
	}
}

// byAge deletes what is older than the box or its camera allows.
func (k *Keeper) byAge(ctx context.Context, p Policy) error {
	if k.cfg.Suspect() {
		return nil
	}
	cameras, err := k.cameras(ctx)
	if err != nil {
		return err
	}
	usage, err := k.cfg.DB.Usage(ctx)
	if err != nil {
		return err
	}
	var total int64
	for _, u := range usage {
		total += u.Bytes
	}
	now := k.cfg.Now()
	for _, c := range cameras {
		for {
			clips, err := k.cfg.DB.Oldest(ctx, store.OldestQuery{Camera: c.ID, Before: now.AddDate(0, 0, -days(c, p)), Limit: batch})
			if err != nil {
				if store.ErrorCode(err) == store.NotFound {
					break
				}
				return err
			}
			ids, full := k.allowed(clips, total)
			if len(ids) > 0 {
				if _, err := k.delete(ctx, ids, "age"); err != nil {
					return err
				}
			}
			if full {
				return nil
			}
			if len(clips) < batch {
				break
			}
		}
	}
	return nil
}

// allowed takes as many clips as the share of the window admits, and says whether it is used up. total is what the store
// holds now; what went within the window is added, so that the share is of the store as it was.
func (k *Keeper) allowed(clips []store.Clip, total int64) (ids []store.ID, full bool) {
	now := time.Now()
	for len(k.aged) > 0 && now.Sub(k.aged[0].at) >= AgeWindow {
		k.aged = k.aged[1:]
	}
	var gone int64
	for _, d := range k.aged {
		gone += d.bytes
	}
	limit := int64(float64(total+gone) * AgeShare)
	for _, c := range clips {
		if gone+c.Bytes > limit && len(k.aged) > 0 {
			return ids, true
		}
		gone += c.Bytes
		k.aged = append(k.aged, deletion{at: now, bytes: c.Bytes})
		ids = append(ids, c.ID)
	}
	return ids, false
}

// byBytes holds each camera and the box to its limit.
func (k *Keeper) byBytes(ctx context.Context, p Policy) error {
	cameras, err := k.cameras(ctx)
	if err != nil {
		return err
	}
	limits := map[store.ID]int64{}
	for _, c := range cameras {
		limits[c.ID] = c.RetentionBytes
	}
	usage, err := k.cfg.DB.Usage(ctx)
	if err != nil {
		return err
	}
	var total, kept int64
	for _, u := range usage {
		if limit := limits[u.Camera]; limit > 0 {
			freed, err := k.oldest(ctx, store.OldestQuery{Camera: u.Camera}, u.Bytes-u.KeptBytes-loose(limit, u.KeptBytes), "bytes")
			if err != nil {
				return err
			}
			u.Bytes -= freed
			k.short = k.short || u.KeptBytes > limit/2
		}
		total, kept = total+u.Bytes, kept+u.KeptBytes
	}
	if p.Bytes > 0 {
		_, err = k.oldest(ctx, store.OldestQuery{}, total-kept-loose(p.Bytes, kept), "bytes")
		k.short = k.short || kept > p.Bytes/2
	}
	return err
}

// loose is what clips that are not kept may take under a limit. Kept ones count too, but never for more than half of it: they would
// push out everything new.
func loose(limit, kept int64) int64 { return max(limit-kept, limit/2) }

// bySpace keeps some space free on the disk. Where only kept clips are left to take, the last Spared are recorded into the space
// that should be free.
func (k *Keeper) bySpace(ctx context.Context, p Policy) error {
	space, err := k.cfg.Files.Free()
	if err != nil {
		return err
	}
	if need := p.minFree(space.Total) - space.Free; need > 0 {
		var freed int64
		freed, err = k.oldest(ctx, store.OldestQuery{Before: k.cfg.Now().Add(-Spared)}, need, "space")
		k.short = k.short || freed < need
	}
	return err
}

// tell tells people that kept clips leave little room, or that this is over.
func (k *Keeper) tell(ctx context.Context) error {
	usage, err := k.cfg.DB.Usage(ctx)
	if err != nil {
		return err
	}
	var kept int64
	for _, u := range usage {
		kept += u.KeptBytes
	}
	k.cfg.OnAlarm(AlarmKept, fmt.Sprintf("What is kept for ever (%d MB) leaves too little room for new recordings, on the disk or under a limit. Cardea does not delete it: "+
		"take the mark from events that are no longer needed, raise the limit, or free space. When the disk is full, recording stops.", kept/1e6), k.short && kept > 0)
	return nil
}

// forget drops gaps and events that are older than anything that may still be there.
func (k *Keeper) forget(ctx context.Context, p Policy) error {
	if k.cfg.Suspect() {
		return nil
	}
	cameras, err := k.cameras(ctx)
	if err != nil {
		return err
	}
	longest := p.Days
	for _, c := range cameras {
		longest = max(longest, c.RetentionDays)
	}
	before := k.cfg.Now().AddDate(0, 0, -longest)
	// Clips that are not deleted yet keep their surroundings. Kept ones do not, or one of them would keep years of small rows.
	for _, c := range cameras {
		oldest, err := k.cfg.DB.Oldest(ctx, store.OldestQuery{Camera: c.ID, Limit: 1})
		if err != nil && store.ErrorCode(err) != store.NotFound {
			return err
		}
		if len(oldest) > 0 && oldest[0].Start.Before(before) {
			before = oldest[0].Start
		}
	}
	_, gerr := k.cfg.DB.DropGaps(ctx, before, 1000)
	_, eerr := k.cfg.DB.DropEvents(ctx, before, 1000)
	return errors.Join(gerr, eerr)
}

// oldest deletes the oldest clips that match until need bytes went, and gives how many did.
func (k *Keeper) oldest(ctx context.Context, query store.OldestQuery, need int64, reason string) (freed int64, err error) {
	query.Limit = batch
	for freed < need {
		clips, err := k.cfg.DB.Oldest(ctx, query)
		if err != nil || len(clips) == 0 {
			return freed, err
		}
		var ids []store.ID
		var sum int64
		for _, c := range clips {
			if freed+sum >= need {
				break
			}
			ids, sum = append(ids, c.ID), sum+c.Bytes
		}
		n, err := k.delete(ctx, ids, reason)
		freed += n
		if err != nil {
			return freed, err
		}
		if n == 0 {
			return freed, nil
		}
	}
	return freed, nil
}

// delete takes clips away in the mirror order of their creation.
func (k *Keeper) delete(ctx context.Context, ids []store.ID, reason string) (int64, error) {
	n, bytes, err := k.cfg.DB.DeleteClips(ctx, ids, reason)
	if err != nil {
		return 0, err
	}
	k.cfg.Log.InfoContext(ctx, "clips deleted", "reason", reason, "clips", n, "bytes", bytes)
	if _, err := k.cfg.DB.Sweep(ctx, k.cfg.Files, nil); err != nil {
		return 0, err
	}
	return bytes, nil
}

// cameras lists all that may have clips.
func (k *Keeper) cameras(ctx context.Context) ([]store.Camera, error) {
	inUse, err := k.cfg.DB.Cameras(ctx)
	if err != nil {
		return nil, err
	}
	removed, err := k.cfg.DB.RemovedCameras(ctx)
	return append(inUse, removed...), err
}
