package camera

import (
	"fmt"
	"time"
)

// What one camera may send unless Config says otherwise: several times what the best ones need (4K takes up to 40 Mbit/s and 60 pictures a
// second), and little enough that one which went mad leaves the others their share.
const (
	maxBitrate = 150_000_000
	maxFPS     = 300
	// floodAfter is how long it may send more. The rates are means over five seconds already, so that a burst is none.
	floodAfter = 5 * time.Second
)

// ErrFlood says that a camera sent more than one camera may. Trying again soon would bring the same.
type ErrFlood struct {
	// Bitrate is in bits a second, FPS in pictures a second; MaxBitrate and MaxFPS are the limits.
	Bitrate, MaxBitrate int64
	FPS, MaxFPS         float64
}

func (e ErrFlood) Error() string {
	return fmt.Sprintf("The camera sends %.1f Mbit/s and %.0f pictures a second. No more than %.1f Mbit/s and %.0f pictures a second are taken from one camera, so the connection was ended. Look at its settings, or restart it.",
		float64(e.Bitrate)/1e6, e.FPS, float64(e.MaxBitrate)/1e6, e.MaxFPS)
}

// flood watches the rates of one session.
type flood struct{ over int }

// look takes the rates of one look and gives an error where they have been too high for too long.
func (f *flood) look(cfg Config, s State) error {
	if s.Bitrate <= cfg.MaxBitrate && s.FPS <= cfg.MaxFPS {
		f.over = 0
		return nil
	}
	if f.over++; time.Duration(f.over)*lookEvery < floodAfter {
		return nil
	}
	return ErrFlood{Bitrate: s.Bitrate, MaxBitrate: cfg.MaxBitrate, FPS: s.FPS, MaxFPS: cfg.MaxFPS}
}
