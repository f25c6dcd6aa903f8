package api

import (
	"context"
	"time"

	"cardea/nvr"
	"cardea/nvr/machine"
	"cardea/nvr/retention"
	"cardea/web/caller"
)

// Storage is what recordings take, how long that goes on, and how the disk is.
type Storage struct {
	Disk     Disk            `json:"disk"`
	Hardware Hardware        `json:"hardware"`
	Data     *Disk           `json:"data,omitempty" doc:"The disk of index, logs and keys; left out where it is the same"`
	Used     int64           `json:"used" doc:"Bytes of all recordings"`
	Kept     int64           `json:"kept" doc:"Of these, what is kept for ever"`
	Index    int64           `json:"index" doc:"Bytes of the database"`
	Backups  Backups         `json:"backups"`
	Rules    Limits          `json:"rules"`
	PerDay   *int64          `json:"per_day" doc:"Bytes that a day of recording takes; null while unknown"`
	Days     *float64        `json:"days" doc:"Days that fit; null while unknown"`
	Cameras  []CameraStorage `json:"cameras" nullable:"false"`
	Next     *Next           `json:"next,omitempty" doc:"What retention takes next; left out where nothing does"`
}

// Limits are the rules that all recordings are under, as far as they are in force.
type Limits struct {
	Days    int   `json:"days"`
	Bytes   int64 `json:"bytes" doc:"0 is as much as the disk holds"`
	MinFree int64 `json:"min_free" doc:"Kept free on the disk"`
}

// Backups are the sealed backups on the disk.
type Backups struct {
	Count int   `json:"count"`
	Bytes int64 `json:"bytes"`
}

// CameraStorage is the part of one camera.
type CameraStorage struct {
	Camera  string     `json:"camera"`
	Name    string     `json:"name"`
	Removed bool       `json:"removed"`
	Clips   int64      `json:"clips"`
	Bytes   int64      `json:"bytes"`
	Kept    int64      `json:"kept"`
	Oldest  *time.Time `json:"oldest"`
	PerDay  *int64     `json:"per_day"`
	Days    *float64   `json:"days" doc:"Days of this camera that there will be at last; null while unknown"`
	Limit   string     `json:"limit" doc:"What ends them: age, bytes or space; empty while unknown"`
}

// Next is what retention takes next.
type Next struct {
	Camera string    `json:"camera"`
	Start  time.Time `json:"start"`
	Reason string    `json:"reason" enum:"age,bytes,space"`
	At     time.Time `json:"at" doc:"When, as far as it can be told"`
}

// Hardware is the disk under the recordings, as far as it tells.
type Hardware struct {
	Device      string   `json:"device"`
	Model       string   `json:"model"`
	Kind        string   `json:"kind" enum:"hdd,ssd,nvme,card,virtual,network,unknown"`
	Filesystem  string   `json:"filesystem"`
	State       string   `json:"state" enum:"good,worn,fails,unreadable"`
	Why         string   `json:"why" doc:"Why it is unreadable: network, virtual, program, permission or silent"`
	Source      string   `json:"source"`
	Celsius     *float64 `json:"celsius"`
	Worn        *float64 `json:"worn" doc:"Percent of its life that are used"`
	Hours       *int64   `json:"hours"`
	Reallocated *int64   `json:"reallocated"`
	Pending     *int64   `json:"pending"`
	Lost        *int64   `json:"lost"`
}

func hardware(d machine.Disk) Hardware {
	return Hardware{
		Device: d.Device, Model: d.Model, Kind: string(d.Kind), Filesystem: d.Filesystem, State: string(d.State), Why: d.Why, Source: d.Source,
		Celsius: d.Celsius, Worn: d.Worn, Hours: d.Hours, Reallocated: d.Reallocated, Pending: d.Pending, Lost: d.Lost,
	}
}

func diskOf(d nvr.Disk) Disk { return Disk{d.Path, d.Free, d.Total, d.State} }

// Storage answers GET /api/storage. Who is restricted reads the whole, and the cameras that they see.
func (a *API) Storage(ctx context.Context, _ *None) (*Body[Storage], error) {
	s, err := a.nvr.Storage(ctx)
	if err != nil {
		return nil, err
	}
	who, f := caller.From(ctx), s.Forecast
	shown := Storage{
		Disk: diskOf(s.Disk), Hardware: hardware(s.Hardware), Used: f.Used, Kept: f.Kept, Index: s.Index, Backups: Backups{s.BackupCount, s.Backups},
		Rules: Limits{f.Policy.Days, f.Policy.Bytes, f.Policy.MinFree}, PerDay: orNull(f.PerDay), Cameras: []CameraStorage{},
	}
	if f.PerDay > 0 {
		shown.Days = &f.Days
	}
	if s.Data != nil {
		data := diskOf(*s.Data)
		shown.Data = &data
	}
	for _, c := range f.Cameras {
		if who.Sees(c.Camera) {
			shown.Cameras = append(shown.Cameras, cameraStorage(c))
		}
	}
	if next := f.Next; !next.At.IsZero() && who.Sees(next.Camera) {
		shown.Next = &Next{next.Camera.String(), next.Start, next.Reason, next.At.UTC()}
	}
	return answer(shown), nil
}

func cameraStorage(c retention.CameraForecast) CameraStorage {
	s := CameraStorage{
		Camera: c.Camera.String(), Name: c.Name, Removed: c.Removed, Clips: c.Clips, Bytes: c.Bytes, Kept: c.KeptBytes, Oldest: orNull(c.Oldest), PerDay: orNull(c.PerDay), Limit: c.Limit,
	}
	if c.Limit != "" {
		s.Days = &c.Days
	}
	return s
}
