package rtsp

import (
	"context"

	"cardea/camera/frame"
)

// Picture is what Probe found: enough to show a person a test picture before anything is stored.
type Picture struct {
	// Stream describes the tracks and what is left out.
	Stream *frame.Stream
	// Frames are in order from one key frame on, at most two seconds; at least the key frame is there.
	Frames []*frame.Frame
	// SPKI is SHA-256 of the SubjectPublicKeyInfo presented over rtsps://; nil over rtsp://.
	SPKI []byte
	// Trust is "pinned" when SPKI was pinned or vouched for, "plain" over rtsp://.
	Trust string
	// TLS is the version spoken, "1.3" or "1.2"; empty over rtsp://.
	TLS string
	// FPS is counted from the frames; 0 when there were too few.
	FPS float64
}

// Probe connects, waits for a key frame, gathers what follows for up to two seconds and disconnects. Its errors
// are those of Run. Nothing is kept and nothing is changed on the camera.
func Probe(ctx context.Context, cfg Config) (Picture, error) { return Picture{}, nil }
