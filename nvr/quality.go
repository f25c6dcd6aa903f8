package nvr

// Quality says which stream of a camera a viewer gets.
type Quality string

// The qualities. A camera without a sub-stream, or whose sub-stream does not work, gives its main stream always.
const (
	Main Quality = "main" // the stream that is recorded
	Sub  Quality = "sub"  // the smaller one
	Auto Quality = "auto" // the main stream for whoever keeps up with it, else the smaller one
)

// ParseQuality reads what a client wrote; anything unknown is Main.
func ParseQuality(text string) Quality {
	switch q := Quality(text); q {
	case Sub, Auto:
		return q
	}
	return Main
}
