package agent

import (
	"context"

	"cardea/camera/frame"
)

// Source is where a virtual camera gets its pictures from.
type Source interface {
	// Stream describes the tracks that Run begins with. It is known before Run and never changes. A frame of another Stream with other
	// codecs begins another description: whoever is connected is let go and may come again.
	Stream() *frame.Stream
	// Run hands every frame to sink at the time it is due, from one goroutine, until ctx is done; then it
	// returns nil. PTS of a track never repeats. sink does not block for long and MUST NOT change the frame.
	Run(ctx context.Context, sink func(*frame.Frame)) error
}
