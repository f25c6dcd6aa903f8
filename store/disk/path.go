package disk

import (
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
)

// ClipPath is where the file of a clip is, relative to the clips directory: <camera>/<yyyy>/<mm>/<dd>/<ulid>.mp4.age, the
// date being that of start in UTC. It follows from the clip's row, so it is stored nowhere.
func ClipPath(camera ulid.ULID, start time.Time, id ulid.ULID) string {
	return camera.String() + "/" + start.UTC().Format("2006/01/02") + "/" + id.String() + ClipSuffix
}

// ClipSuffix is how the name of every clip's file ends.
const ClipSuffix = ".mp4.age"

// PreviewPath is where the preview of a clip is: beside it.
func PreviewPath(camera ulid.ULID, start time.Time, id ulid.ULID) string {
	return strings.TrimSuffix(ClipPath(camera, start, id), ClipSuffix) + PreviewSuffix
}

// PreviewSuffix is how the name of every preview's file ends.
const PreviewSuffix = ".preview.age"
