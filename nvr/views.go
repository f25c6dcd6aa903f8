package nvr

import (
	"time"

	"cardea/camera/frame"
	"cardea/nvr/machine"
	"cardea/store"
)

// CameraStatus is everything a person is shown about a camera: its settings, the state of its connection, what it sends and
// what becomes of it.
type CameraStatus struct {
	// Camera is the stored row; its Secret is left out.
	Camera store.Camera
	// User is the name in the camera's credentials, "" for none. The password never leaves nvr.
	User string
	// Connection is the state of the line to the camera.
	Connection Connection
	// Recording says whether frames become clips at this moment.
	Recording Recording
	// Sub is the smaller stream; nil where there is none.
	Sub *SubStream
	// Usage is what the camera's clips take up.
	Usage Usage
	// Pairing is the state of a paired camera's certificate; nil for others.
	Pairing *Pairing
	// Isolation is why the NVR keeps away from the camera until a person decides; nil while it does not.
	Isolation *store.Isolation
}

// SubStream is a camera's smaller stream, as far as it is known.
type SubStream struct {
	URL string
	// Codec is that of the picture in FFmpeg's words, "" while unknown; Width, Height and FPS are 0 then.
	Codec         string
	Width, Height int
	FPS, Bitrate  float64
	// Phase is one word, as camera.Phase has them; off while nobody wants it. Detail is a sentence for a person.
	Phase  string
	Since  time.Time
	Detail string
}

// Connection is the state of the line to a camera.
type Connection struct {
	// Phase is one word, as camera.Phase has them; off while the NVR does not run.
	Phase string
	// Since is when the phase began; Detail is a sentence for a person.
	Since  time.Time
	Detail string
	// FPS and Bitrate (bits per second) are measured, 0 while nothing comes.
	FPS, Bitrate float64
	// Width and Height of the picture in pixels, 0 while unknown.
	Width, Height int
	// Codecs are the tracks recorded, in FFmpeg's words. Skipped names the others with the reason.
	Codecs, Skipped []string
	// Warnings are words for what is wrong with a stream that goes on all the same, see camera.Warning.
	Warnings []string
	// Lost counts packets that did not arrive, Dropped frames that the recorder could not keep up with, Reconnects
	// the sessions after the first, all since the runner started.
	Lost, Dropped, Reconnects uint64
	// ClockOffset is the camera's clock minus ours, 0 while unknown.
	ClockOffset time.Duration
	// Trust is paired, pinned or plain.
	Trust string
}

// Recording says whether frames become clips.
type Recording struct {
	// Active is true while a clip is being written.
	Active bool
	// Reason is the gap reason while Active is false: off, offline, refused, no-vault, disk-full, disk-missing,
	// disk-error, overload, decode, restart, clock; mode-off and mode-event when that is by choice; "" before the first
	// picture. Detail is a sentence for a person.
	Reason, Detail string
	// Clip is the open clip, the zero ID for none.
	Clip store.ID
}

// Usage is what clips take up.
type Usage struct {
	Bytes  int64
	Clips  int64
	Oldest time.Time // zero without clips
}

// Change is one entry of a camera's health history.
type Change struct {
	At     time.Time
	Phase  string
	Detail string
}

// CameraHealth is CameraStatus.Connection with its latest changes, newest first, at most 100 since the program started.
type CameraHealth struct {
	Connection Connection
	History    []Change
}

// NewCamera is the input of AddCamera. Name and URL are required.
type NewCamera struct {
	Name string
	// URL is that of a stream, rtsp:// or rtsps://, or of an ONVIF device service, http://, https:// or just a host. It may hold
	// user:password@, which are split off and sealed.
	URL string
	// Fingerprint pins the camera's key: SHA-256 of its SPKI in hex (colons allowed) or base64; "" = not pinned.
	Fingerprint string
	// SubURL is that of a smaller stream at the same host, without credentials; "" = none, or what an ONVIF camera says.
	SubURL string
	// Transport is auto (also ""), tcp or udp. Mode is continuous (also ""), event or off.
	Transport, Mode string
}

// CameraChange is the input of ChangeCamera; nil leaves a field as it is.
type CameraChange struct {
	Name *string
	// URL without credentials keeps the stored ones as long as host and port stay the same; otherwise they are dropped,
	// so that a typing error never sends a password to another host.
	URL                    *string
	Fingerprint, Transport *string // Fingerprint "" = not pinned
	// SubURL is that of a smaller stream, ONVIF that of the device service, both at the camera's host; "" = none.
	SubURL, ONVIF     *string
	Mode              *string
	Audio             *bool
	Vault             *store.ID // the zero ID = the default vault
	Position          *int
	Preroll, Postroll *time.Duration
	RetentionDays     *int   // 0 = the box's setting
	RetentionBytes    *int64 // 0 = none of its own
}

// Probe is what a look at an address found.
type Probe struct {
	Tracks  []ProbeTrack
	Skipped []string
	// Trust is pinned or plain; Fingerprint is the presented SPKI's SHA-256 in hex, "" for rtsp://.
	Trust, Fingerprint string
	// MIME and Picture are a fragmented MP4 of one key frame (init segment and one part) with its type for MSE.
	MIME    string
	Picture []byte
	// URL is that of the stream; Chosen says which one was taken at an ONVIF address, "" at that of a stream.
	URL, Chosen string
	// Model is what a camera calls itself, and Sub the smaller stream that it names; both only of a look at its ONVIF service.
	Model, Sub string
}

// ProbeTrack is a track with its measured rate.
type ProbeTrack struct {
	frame.Track
	FPS float64 // pictures per second, 0 for sound or when unknown
}

// Clip is a clip for a person or a player.
type Clip struct {
	// Clip is the stored row, with its Parts only from NVR.Clip. Of an open clip End, Bytes and Plain are those of its
	// last durable part.
	store.Clip
	// Path is relative to the clips directory.
	Path string
	// MIME is the full type for MSE, such as video/mp4; codecs="avc1.64001f,mp4a.40.2".
	MIME string
}

// Complete reports whether the file ends with its final chunk: it can be opened at random. Other clips are read chunk by
// chunk, up to the last whole one.
func (c *Clip) Complete() bool { return c.State == store.ClipClosed }

// NewVault is the input of CreateVault.
type NewVault struct {
	Name string
	// Type is hybrid or x25519, as the Recipient is.
	Type, Recipient string
	// Wrapped is the identity as an age file locked by a passphrase, for User (the actor for the zero ID); nil = no grant.
	Wrapped []byte
	User    store.ID
	// Grants are for other people.
	Grants []SealedGrant
}

// SealedGrant is a vault's identity sealed to the personal key of somebody. Recipient is that key, so that a key which was
// replaced meanwhile is noticed.
type SealedGrant struct {
	User      store.ID
	Recipient string
	Wrapped   []byte
}

// NewGrant is the input of AddGrant.
type NewGrant struct {
	Kind, Label string
	Wrapped     []byte
	// Passkey is which one of the actor's opens a grant of that kind.
	Passkey store.ID
	// User is whom a sealed grant is for, the actor for the zero ID; Recipient is the personal key that it is sealed to.
	User      store.ID
	Recipient string
}

// Health is the state of the box.
type Health struct {
	Disk   Disk
	Alarms []Alarm
	// Cameras counts cameras by phase.
	Cameras map[string]int
	// ForecastDays is how many days of recording fit at the present rate, 0 while unknown.
	ForecastDays float64
	// Figures are how busy the computer is, Layers what fences the program in.
	Figures machine.Figures
	Layers  machine.Layers
	// Clock is ok, suspect (it has jumped) or behind (it shows a time that has passed already).
	Clock string
}

// Disk is the disk that holds the clips.
type Disk struct {
	Path        string
	Free, Total int64
	// State is ok, full, missing (not mounted or not ours) or error.
	State string
}

// Alarm is something a person must know about until it is over.
type Alarm struct {
	// Code is disk-full, disk-kept, disk-health, disk-missing, disk-error, clock, no-vault, backup, index, time-server.
	Code   string
	Detail string
	Since  time.Time
}

// Settings are the ones a person edits. Zero values in a stored row mean the defaults.
type Settings struct {
	RetentionDays  int   // default 30
	RetentionBytes int64 // 0 = as much as the disk holds
	MinFreeBytes   int64 // 0 = the larger of 2 GiB and 5 % of the disk
	LogDays        int   // how long the contents of log records are kept; default 30
	TimeServerPort int   // UDP port where cameras get the time; 0 = off, the default
	Previews       bool  // whether clips of cameras with a sub-stream get previews; the default
	WebRTC         bool  // whether browsers may watch over WebRTC; the default
}

// SettingsChange is the input of ChangeSettings; nil leaves a field as it is.
type SettingsChange struct {
	RetentionDays  *int
	RetentionBytes *int64
	MinFreeBytes   *int64
	LogDays        *int
	TimeServerPort *int
	Previews       *bool
	WebRTC         *bool
}

// Stats are counters since the start, for metrics.
type Stats struct {
	Bytes, Parts, Clips uint64 // written, file bytes with everything
	Dropped             uint64 // frames that the disk was too slow for
	Errors              uint64 // clips given up
	Cameras             map[string]int
}
