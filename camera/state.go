package camera

import "time"

// Phase says in one word how a camera is.
type Phase string

const (
	// Connecting: the first attempt since Run began is under way.
	Connecting Phase = "connecting"
	// Streaming: pictures arrive.
	Streaming Phase = "streaming"
	// Waiting: the camera is not there; the next attempt follows by itself.
	Waiting Phase = "waiting"
	// Refused: credentials were refused, or the camera flooded us. Attempts are rare until a person changes something.
	Refused Phase = "refused"
	// Doubted: what answers does not prove to be the camera. Nothing was sent to it; a person has to decide.
	Doubted Phase = "doubted"
	// Unusable: the camera answers, but the address, the path or its encoding cannot be used.
	Unusable Phase = "unusable"
	// Stopped: Run has not begun or has returned.
	Stopped Phase = "stopped"
)

// Warning is something that is wrong with a stream which goes on all the same.
type Warning string

// The warnings that State.Warnings may hold. Each stays for a minute after it was last seen.
const (
	// PacketLoss: RTP packets are missing; the pictures that they belonged to were dropped.
	PacketLoss Warning = "packet-loss"
	// Damaged: access units made no sense and were dropped.
	Damaged Warning = "damaged"
	// Oversize: an access unit beyond the limit (8 MiB) was dropped without being kept in memory.
	Oversize Warning = "oversize"
	// Garbage: bytes that are no RTSP were skipped.
	Garbage Warning = "garbage"
	// TimeJump: the camera's timestamps jumped; recording goes on in a new clip.
	TimeJump Warning = "time-jump"
	// WrongClock: the camera's own clock is more than five seconds off. Recordings use our clock.
	WrongClock Warning = "wrong-clock"
	// LongGOP: no key frame has come for more than 30 seconds; seeking and live start-up are slow.
	LongGOP Warning = "long-gop"
	// NoKeyFrame: pictures arrive, but none yet that decoding could begin with.
	NoKeyFrame Warning = "no-key-frame"
	// NoSound: a track for sound was announced and brings nothing.
	NoSound Warning = "no-sound"
	// OldTLS: the camera is spoken to with TLS 1.2, by exception.
	OldTLS Warning = "old-tls"
	// StreamChanged: the camera changed its encoding in mid-stream.
	StreamChanged Warning = "stream-changed"
)

// State is a snapshot of a camera for people and for the gap index. It holds no credential.
type State struct {
	Phase Phase
	// Since is when Phase began.
	Since time.Time
	// Detail is a sentence that says what is wrong and what to do; empty while all is well.
	Detail string
	// Warnings are in a fixed order without repeats.
	Warnings []Warning
	// FPS (pictures a second) and Bitrate (bits a second) are means over the last five seconds.
	FPS     float64
	Bitrate int64
	// Width and Height are the picture's size in pixels; 0 while unknown.
	Width, Height int
	// Codecs are the tracks' encodings (frame.Codec), Skipped what is left out and why.
	Codecs, Skipped []string
	// Transport is "tcp" or "udp", TLS "1.3", "1.2" or empty.
	Transport, TLS string
	// Sub is the path of a smaller stream at the same address, as the camera says; "" while it does not.
	Sub string
	// Lost counts RTP packets that never came, Dropped the access units left out for any reason; both since
	// Run began.
	Lost, Dropped uint64
	// Reconnects counts the sessions after the first one.
	Reconnects uint64
	// NextAttempt is when the next attempt is due in Waiting, Refused and Unusable; else zero.
	NextAttempt time.Time
	// ClockOffset is the camera's clock minus ours, valid when ClockKnown.
	ClockOffset time.Duration
	ClockKnown  bool
	// Presented is the SHA-256 of the SPKI that was shown in place of the pinned one, while Phase is Doubted for that.
	Presented []byte
	// Flooded says, while Phase is Refused, that the camera sent more than it may.
	Flooded bool
	// LastFrame is when the last picture came; zero for never.
	LastFrame time.Time
}
