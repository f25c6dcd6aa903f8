package nvr

import (
	"context"
	"errors"
	"fmt"

	"cardea/nvr/retention"
	"cardea/store"
	"cardea/store/disk"
)

// Settings gives what a person can set for the whole box.
func (n *NVR) Settings(ctx context.Context) (Settings, error) {
	p, err := retention.Load(ctx, n.db)
	if err != nil {
		return Settings{}, err
	}
	days, err := n.logDays(ctx)
	if err != nil {
		return Settings{}, err
	}
	port, err := n.timePort(ctx)
	if err != nil {
		return Settings{}, err
	}
	previews, err := n.previews(ctx)
	if err != nil {
		return Settings{}, err
	}
	webRTC, err := n.WebRTC(ctx)
	return Settings{
		RetentionDays: p.Days, RetentionBytes: p.Bytes, MinFreeBytes: p.MinFree, LogDays: days, TimeServerPort: port, WebRTC: webRTC, Previews: previews,
	}, err
}

// ChangeSettings changes them at once.
func (n *NVR) ChangeSettings(ctx context.Context, actor store.Actor, c SettingsChange) (Settings, error) {
	n.change.Lock()
	defer n.change.Unlock()
	p, err := retention.Load(ctx, n.db)
	if err != nil {
		return Settings{}, err
	}
	set(&p.Days, c.RetentionDays)
	set(&p.Bytes, c.RetentionBytes)
	set(&p.MinFree, c.MinFreeBytes)
	if err := n.note(ctx, actor, "settings.change", store.Access{Detail: c.words()}); err != nil {
		return Settings{}, err
	}
	if c.LogDays != nil {
		if err := n.setLogDays(ctx, *c.LogDays); err != nil {
			return Settings{}, err
		}
	}
	if c.TimeServerPort != nil {
		if err := n.setTimePort(ctx, *c.TimeServerPort); err != nil {
			return Settings{}, err
		}
	}
	if c.Previews != nil {
		if err := n.setPreviews(ctx, *c.Previews); err != nil {
			return Settings{}, err
		}
	}
	if c.WebRTC != nil {
		if err := n.setWebRTC(ctx, *c.WebRTC); err != nil {
			return Settings{}, err
		}
	}
	if err := retention.Save(ctx, n.db, p); err != nil {
		return Settings{}, err
	}
	n.log.InfoContext(ctx, "settings changed", "by", actor.Name, "days", p.Days, "bytes", p.Bytes, "min_free", p.MinFree)
	n.keeper.Wake()
	return n.Settings(ctx)
}

// Health gives the state of the box.
func (n *NVR) Health(ctx context.Context) (Health, error) {
	h := Health{Disk: Disk{Path: n.cfg.Clips.Dir(), State: "ok"}, Alarms: n.alarms.list(), Cameras: map[string]int{}}
	space, err := n.cfg.Clips.Free()
	h.Disk.Free, h.Disk.Total = space.Free, space.Total
	if err == nil {
		err = n.cfg.Clips.Check()
	}
	switch {
	case errors.Is(err, disk.ErrNotMounted), errors.Is(err, disk.ErrOtherStore):
		h.Disk.State = "missing"
	case err != nil:
		h.Disk.State = "error"
	}
	for _, a := range h.Alarms {
		switch {
		case a.Code == "disk-full" && h.Disk.State == "ok":
			h.Disk.State = "full"
		case a.Code == "disk-error" && h.Disk.State == "ok":
			h.Disk.State = "error"
		}
	}
	for _, r := range n.all() {
		h.Cameras[r.status().Connection.Phase]++
	}
	h.Figures, h.Layers, h.Clock = n.hardware.machine.Figures(), n.hardware.machine.Layers(), "ok"
	switch {
	case n.clock.Behind():
		h.Clock = "behind"
	case n.clock.Suspect():
		h.Clock = "suspect"
	}
	if h.Disk.State != "missing" {
		f, err := n.keeper.Forecast(ctx)
		if err != nil {
			return Health{}, err
		}
		h.ForecastDays = f.Days
	}
	return h, nil
}

// Stats gives counters for metrics.
func (n *NVR) Stats() Stats {
	s := n.recorder.Stats()
	out := Stats{Bytes: s.Bytes, Parts: s.Parts, Clips: s.Clips, Dropped: s.Dropped, Errors: s.Errors, Cameras: map[string]int{}}
	for _, r := range n.all() {
		out.Cameras[r.status().Connection.Phase]++
	}
	return out
}

// Backup makes a sealed backup now and gives its path relative to the clips directory. Without a vault it is a Conflict.
func (n *NVR) Backup(ctx context.Context, actor store.Actor) (string, error) {
	if err := n.note(ctx, actor, "backup", store.Access{}); err != nil {
		return "", err
	}
	path, err := n.backup.Make(ctx)
	n.backedUp(path, err)
	if err == nil {
		n.log.InfoContext(ctx, "backup made", "by", actor.Name, "path", path)
	}
	return path, err
}

// backedUp is told of each backup that was tried.
func (n *NVR) backedUp(path string, err error) {
	if err == nil {
		n.alarm("backup", "", false)
		return
	}
	if store.ErrorCode(err) == store.Conflict {
		return // no vault yet, which has an alarm of its own
	}
	n.alarm("backup", fmt.Sprintf("The backup of settings and keys did not work: %v", err), true)
}
