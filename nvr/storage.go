package nvr

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"cardea/nvr/machine"
	"cardea/nvr/retention"
	"cardea/store"
)

const (
	// diskAge is how long what a disk said of itself is good for; asking costs it some work.
	diskAge = 10 * time.Minute
	// lookAtDisk is how often it is asked when nobody looks.
	lookAtDisk = time.Hour
)

// Storage is what recordings take and how long that goes on.
type Storage struct {
	Disk Disk
	// Hardware is the disk under the clips.
	Hardware machine.Disk
	// Forecast is the zero value while the disk is missing.
	Forecast retention.Forecast
	// Index is the size of the database with its write-ahead log; Backups of the sealed backups, of which there are so many.
	Index, Backups int64
	BackupCount    int
	// Data is the disk of the data directory where that is another one than the clips'; nil where it is the same.
	Data *Disk
}

// hardware remembers what the disk under the clips said.
type hardware struct {
	machine machine.Machine
	mu      sync.Mutex
	at      time.Time
	disk    machine.Disk
}

// look gives what the disk says, not older than diskAge.
func (h *hardware) look(ctx context.Context, dir string, now time.Time) machine.Disk {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.at.IsZero() || now.Sub(h.at).Abs() >= diskAge {
		h.disk, h.at = h.machine.Disk(ctx, dir), now
	}
	return h.disk
}

// Storage looks at the disks and ahead.
func (n *NVR) Storage(ctx context.Context) (Storage, error) {
	health, err := n.Health(ctx)
	if err != nil {
		return Storage{}, err
	}
	s := Storage{Disk: health.Disk, Hardware: n.hardware.look(ctx, n.cfg.Clips.Dir(), n.clock.Now())}
	for _, name := range []string{store.FileName, store.FileName + "-wal"} {
		if info, err := os.Stat(filepath.Join(n.db.Dir(), name)); err == nil {
			s.Index += info.Size()
		}
	}
	s.Data = n.dataDisk(s.Disk)
	if s.Disk.State == "missing" {
		return s, nil
	}
	s.Backups, s.BackupCount, err = n.backup.Size()
	if err != nil {
		return s, err
	}
	s.Forecast, err = n.keeper.Forecast(ctx)
	return s, err
}

// dataDisk is the disk of the data directory, nil where it is that of the clips.
func (n *NVR) dataDisk(clips Disk) *Disk {
	var data, at unix.Stat_t
	var space unix.Statfs_t
	if unix.Stat(n.db.Dir(), &data) != nil || unix.Statfs(n.db.Dir(), &space) != nil {
		return nil // the index has failed by now, which is said elsewhere
	}
	if unix.Stat(clips.Path, &at) == nil && at.Dev == data.Dev {
		return nil
	}
	return &Disk{Path: n.db.Dir(), Free: int64(space.Bavail) * space.Bsize, Total: int64(space.Blocks) * space.Bsize, State: "ok"}
}

// watchDisk tells people when the disk under the clips says that it fails, until ctx is done.
func (n *NVR) watchDisk(ctx context.Context) error {
	tick := time.NewTicker(lookAtDisk)
	defer tick.Stop()
	for {
		d := n.hardware.look(ctx, n.cfg.Clips.Dir(), n.clock.Now())
		n.alarm("disk-health", fmt.Sprintf("The disk of the recordings (%s) says that it fails. Copy what must not be lost, and replace it.", d.Model), d.State == machine.Fails)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
