package backup

import (
	"errors"
	"io/fs"
)

// Size is what all backups take, and how many there are.
func (m *Maker) Size() (bytes int64, count int, err error) {
	files, err := m.cfg.Files.FS()
	if err != nil {
		return 0, 0, err
	}
	entries, err := fs.ReadDir(files, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && nameOf.MatchString(e.Name()) {
			bytes, count = bytes+info.Size(), count+1
		}
	}
	return bytes, count, err
}
