package agent

import (
	"strings"

	"cardea/camera/agent/pattern"
)

// SmallSuffix is what the path of a smaller stream has behind that of the large one.
const SmallSuffix = "-sub"

// Small is the look of a test picture as its sub-stream has it.
func Small(c pattern.Config) pattern.Config {
	c.Width, c.Height, c.FPS, c.BitRate = 480, 270, 10, 0
	return c
}

// AddSmall adds a smaller stream to the only one of a configuration, where its source, as OpenSource reads it, is a test picture. Other
// sources have none: nothing is encoded anew here.
func (c *Config) AddSmall(uri string) error {
	name, ok := strings.CutPrefix(uri, "test:")
	if !ok {
		return nil
	}
	small, err := NewPattern(PatternConfig{Config: Small(pattern.Config{Name: name}), Beep: true})
	if err != nil {
		return err
	}
	path := c.Streams[0].Path
	c.Streams = append(c.Streams, Stream{Path: path + SmallSuffix, Source: small})
	c.Subs = map[string]string{path: path + SmallSuffix}
	return nil
}
