package rtsp

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"

	"cardea/camera/frame"
)

// receiver is the media half of a session: packets in, frames out. One lock covers it, because over UDP each track
// has a goroutine of its own; requests never take it, they read the snapshot.
type receiver struct {
	cfg  Config
	sink func(*frame.Frame)

	mu         sync.Mutex
	wall       wallClock
	video      *videoTrack
	audio      *audioTrack
	videoIndex int
	skipped    []string
	stream     *frame.Stream
	stats      Stats
	// arrivedAt and stepped belong to the bytes that were read last.
	arrivedAt, stepped time.Duration
	// packets counts RTP packets of any track, to see whether UDP gets through; strangers those in a row that
	// the library refused.
	packets   uint64
	strangers int
	packet    rtp.Packet
	// life is what frame.Stream says. Of recorded media: whether some came, the first stamp, and the time since of the newest.
	life       uint64
	replayed   bool
	firstStamp int64
	captured   time.Duration
	// sparse is how far apart key frames are to be, and that nothing else is wanted; 0 = everything is.
	sparse time.Duration

	snapshot atomic.Pointer[Stats]
}

func newReceiver(cfg Config, sink func(*frame.Frame)) *receiver {
	return &receiver{cfg: cfg, sink: sink, wall: newWallClock(cfg.Now)}
}

// time converts time since the beginning to a time.
func (r *receiver) time(d time.Duration) time.Time { return r.wall.begin.Add(d) }

// arrive notes that n bytes came. Packets taken from them share one time of arrival.
func (r *receiver) arrive(n int) {
	r.mu.Lock()
	r.stats.Bytes += uint64(n)
	r.arrivedAt, r.stepped = r.wall.arrival()
	r.mu.Unlock()
}

func (r *receiver) garbage() {
	r.mu.Lock()
	r.stats.Garbage++
	r.mu.Unlock()
}

// rtp takes one packet as it stands in an interleaved frame.
func (r *receiver) rtp(track mediaTrack, data []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.packet.Unmarshal(data); err != nil || r.packet.Version != 2 {
		r.stats.Damaged++
		return
	}
	r.deliver(track, &r.packet)
}

// rtpUDP takes one packet that the library received and put in order.
func (r *receiver) rtpUDP(track mediaTrack, p *rtp.Packet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats.Bytes += uint64(p.MarshalSize())
	r.strangers = 0
	r.arrivedAt, r.stepped = r.wall.arrival()
	r.deliver(track, p)
}

// anewAfter is how many packets in a row the library may refuse.
const anewAfter = 50

// rejected notes a UDP packet that the library refused, mostly for another source (SSRC) than the first: it holds on
// to that for as long as the session lasts.
func (r *receiver) rejected(error) {
	r.mu.Lock()
	r.strangers++
	r.mu.Unlock()
}

// mediaTrack is a videoTrack or an audioTrack.
type mediaTrack interface {
	packet(p *rtp.Packet, arrival, stepped time.Duration)
	payloadType() uint8
	timing() *trackClock
}

func (r *receiver) deliver(track mediaTrack, p *rtp.Packet) {
	if p.PayloadType != track.payloadType() {
		return // Another format of the same media, which was not chosen.
	}
	r.packets++
	if r.cfg.Replay == nil {
		track.packet(p, r.arrivedAt, r.stepped)
	} else if since, ok := r.capture(readStamp(p)); ok {
		track.packet(p, since, 0)
	}
}

// rtcp takes one compound RTCP packet and reads the sender reports in it (RFC 3550 section 6.4.1).
func (r *receiver) rtcp(track mediaTrack, data []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(data) >= 4 {
		size := 4 * (int(binary.BigEndian.Uint16(data[2:])) + 1)
		if data[0]>>6 != 2 || size > len(data) {
			return
		}
		if data[1] == 200 && size >= 28 {
			r.senderReport(track, binary.BigEndian.Uint64(data[8:]), binary.BigEndian.Uint32(data[16:]))
		}
		data = data[size:]
	}
}

func (r *receiver) senderReport(track mediaTrack, ntp uint64, ts uint32) {
	if ntp>>32 == 0 {
		return
	}
	now := r.wall.now().Round(0)
	at := ntpTime(ntp, now)
	track.timing().sender(at, ts)
	// The camera's clock is only reported, and used for differences between its tracks.
	r.stats.ClockOffset = at.Sub(now)
	r.stats.ClockKnown = true
	if r.audio != nil {
		r.audio.align()
	}
}

// begin puts a new Stream in force.
func (r *receiver) begin(video frame.Track) {
	s := &frame.Stream{Skipped: r.skipped, Life: r.life}
	add := func(t frame.Track) { s.Tracks = append(s.Tracks, t) }
	switch {
	case r.audio == nil:
		add(video)
	case r.audio.index < r.videoIndex:
		add(r.audio.track)
		add(video)
	default:
		add(video)
		add(r.audio.track)
	}
	r.stream = s
	r.stats.Stream = s
}

// publish makes a snapshot for Stats.
func (r *receiver) publish(lowWater int) Stats {
	r.mu.Lock()
	if r.audio != nil {
		since, _ := r.wall.arrival()
		r.stats.AudioSilent = r.stream != nil && since-r.audio.heard > silence
	}
	r.stats.LowWater = lowWater
	r.stats.At = time.Now()
	s := r.stats
	r.mu.Unlock()
	r.snapshot.Store(&s)
	return s
}
