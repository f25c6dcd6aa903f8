package rtsp

import (
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
	"github.com/pion/rtp"

	"cardea/camera/frame"
)

// stepPatience is how long a step of our own clock, or a break in the camera's timestamps, waits for a key frame,
// so that the new Stream begins with one.
const stepPatience = 10 * time.Second

// videoTrack turns the packets of the video track into frames.
type videoTrack struct {
	r       *receiver
	payload uint8
	hevc    bool
	seq     sequence
	clock   trackClock
	units   assembler
	params  paramSets

	// reorders is false when DTS is PTS; else extract computes it from the slice headers.
	reorders bool
	extract  interface {
		Extract(au [][]byte, pts int64) (int64, error)
	}
	lastDTS  int64
	lastWall time.Time
	begun    bool // lastDTS is valid

	// fresh asks for a new Stream at the next key frame: the timestamps broke.
	fresh bool
	// stepped is when our own clock was seen to be off from what frames say; zero when it is not.
	stepSeen time.Duration

	arrival, stepped time.Duration // of the packet in hand
	stamps           [2]stamped    // of the newest two access units

	// While the receiver is sparse: whether the unit with takingTS is taken, and when the last key frame was. rejoin leaves out what
	// comes before the first key frame after it.
	taking, tookOne, rejoin bool
	takingTS                uint32
	took                    time.Duration
}

// picture is one allocation for a frame and, mostly, its list of NAL units.
type picture struct {
	frame.Frame
	nals [4][]byte
}

func newVideoTrack(r *receiver, payload uint8, hevc bool, params paramSets) *videoTrack {
	v := &videoTrack{r: r, payload: payload, hevc: hevc, params: params, clock: trackClock{rate: 90000}}
	v.units = assembler{hevc: hevc, limit: r.cfg.MaxFrame, done: v.unit}
	return v
}

func (v *videoTrack) packet(p *rtp.Packet, arrival, stepped time.Duration) {
	v.arrival, v.stepped = arrival, stepped
	if stamp := readStamp(p); stamp != 0 {
		v.stamps[0], v.stamps[1] = v.stamps[1], stamped{p.Timestamp, stamp}
	}
	lost, fit, restarted := v.seq.next(p.SequenceNumber, p.SSRC)
	if !fit {
		return
	}
	v.r.stats.Lost += uint64(lost)
	if restarted {
		v.units.reset()
		v.clock.torn = v.clock.started
	}
	if v.r.sparse > 0 && !v.skim(p) {
		return
	}
	v.units.push(p.Payload, p.Timestamp, p.Marker, lost > 0 || restarted)
}

// unit takes one access unit from the assembler.
func (v *videoTrack) unit(what verdict, data []byte, ends []int, ts uint32) {
	r := v.r
	switch what {
	case damaged:
		r.stats.Damaged++
		return
	case oversize:
		r.stats.Oversize++
		return
	}
	r.stats.LastPicture = r.time(r.arrivedAt)

	if (r.sparse > 0 || v.rejoin) && !v.anyKey(data, ends) {
		return
	}
	v.rejoin = false
	pic := &picture{}
	own := append(make([]byte, 0, len(data)), data...)
	nals := pic.nals[:0]
	begin, key, sets := 0, false, false
	for _, end := range ends {
		nal := own[begin:end:end]
		begin = end
		nals = append(nals, nal)
		key = key || v.isKey(nal)
		sets = sets || paramKind(v.hevc, nal) != 0
	}

	count, broken := v.clock.advance(ts, v.arrival)
	if broken {
		r.stats.Jumps++
		v.fresh = true
	}
	if behind := r.wall.follow(v.clock.duration(count), v.arrival); behind > 0 {
		v.clock.shift(v.clock.units(behind))
		count = v.clock.count
		r.stats.Jumps++
		v.fresh = true
	}

	if sets && !v.adopt(nals, key) {
		r.stats.Damaged++
		return
	}
	v.ownClock(key)
	if key && (v.fresh || r.stream == nil) && v.params.complete(v.hevc) {
		if !v.renew() {
			r.stats.Damaged++
			return
		}
	}
	if r.stream == nil {
		return // Nothing can be decoded before the first key frame.
	}

	pts := count
	pic.Stream, pic.Track, pic.Key, pic.Payload, pic.Size = r.stream, r.videoIndex, key, nals, len(own)
	for _, s := range v.stamps {
		if s.ts == ts {
			pic.Stamp = s.stamp
		}
	}
	pic.PTS, pic.DTS = v.times(nals, pts)
	pic.Wall = r.wall.wall(v.clock.duration(pic.DTS))
	if v.lastWall.After(pic.Wall) {
		pic.Wall = v.lastWall.Add(time.Microsecond)
	}
	v.lastWall = pic.Wall
	r.stats.Pictures++
	if key {
		v.took, v.tookOne = v.arrival, true
		r.stats.KeyFrames++
		r.stats.LastKey = r.stats.LastPicture
	}
	r.sink(&pic.Frame)
}

// adopt takes over changed parameter sets and ends the stream that they do not fit. It reports false when they
// cannot be read. A picture parameter set between key frames is left to the decoder, which finds it in the payload:
// some encoders use several in turn, and each would cost the pictures up to the next key frame.
func (v *videoTrack) adopt(nals [][]byte, key bool) bool {
	params, changed := v.params.update(v.hevc, nals)
	if !changed || !key && v.r.stream != nil && params.sameSequence(v.params) {
		return true
	}
	if params.complete(v.hevc) {
		if _, _, err := params.track(v.hevc); err != nil {
			return false
		}
	}
	v.params = params
	if v.r.stream != nil {
		v.r.stats.Changes++
		v.r.stream = nil
	}
	return true
}

// ownClock notices that the clock of this machine was stepped. Small steps are followed at once and are smoothed by
// the order of frames; a large one begins a new Stream, so that no clip holds two times of day.
func (v *videoTrack) ownClock(key bool) {
	if v.stepped < 10*time.Millisecond && v.stepped > -10*time.Millisecond {
		v.stepSeen = 0
		return
	}
	small := v.stepped < stepLimit && v.stepped > -stepLimit
	if v.stepSeen == 0 {
		v.stepSeen = v.arrival
	}
	if !small {
		v.fresh = true
	}
	if !key && v.arrival-v.stepSeen < stepPatience {
		return
	}
	v.r.wall.step += v.stepped
	v.stepped, v.stepSeen = 0, 0
	if !small {
		v.lastWall = time.Time{}
		if v.r.audio != nil {
			v.r.audio.lastWall = time.Time{}
		}
	}
}

// renew begins a new Stream with the parameter sets in force.
func (v *videoTrack) renew() bool {
	track, reorders, err := v.params.track(v.hevc)
	if err != nil {
		return false
	}
	v.reorders, v.fresh, v.extract = reorders, false, nil
	v.r.begin(track)
	return true
}

// times returns PTS and DTS. DTS always grows: where slice headers make no sense, or a camera sends two pictures at
// one time, it is one unit more than the last.
func (v *videoTrack) times(nals [][]byte, pts int64) (int64, int64) {
	dts := pts
	if v.reorders && v.r.sparse > 0 {
		v.extract = nil // it wants every picture
	} else if v.reorders {
		var err error
		if dts, err = v.decodeTime(nals, pts); err != nil {
			dts = pts
			if v.begun {
				dts = v.lastDTS + 1
			}
		}
	}
	if v.begun && dts <= v.lastDTS {
		dts = v.lastDTS + 1
	}
	if !v.reorders {
		pts = dts
	}
	v.lastDTS, v.begun = dts, true
	return pts, dts
}

func (v *videoTrack) decodeTime(nals [][]byte, pts int64) (int64, error) {
	if v.extract == nil {
		if v.hevc {
			e := &h265.DTSExtractor{}
			e.Initialize()
			v.extract = e
		} else {
			e := &h264.DTSExtractor{}
			e.Initialize()
			v.extract = e
		}
		// The extractor wants the parameter sets, which may have been in the SDP only.
		return v.extract.Extract(append(v.params.all(), nals...), pts)
	}
	return v.extract.Extract(nals, pts)
}

// isKey reports a random access point: IDR for H.264; IDR, CRA or BLA for H.265 (ISO/IEC 23008-2 section 7.4.2.2).
func (v *videoTrack) isKey(nal []byte) bool {
	if v.hevc {
		t := nal[0] >> 1 & 0x3f
		return t >= 16 && t <= 21
	}
	return nal[0]&0x1f == uint8(h264.NALUTypeIDR)
}

// anyKey reports whether one of the NAL units is of a random access point.
func (v *videoTrack) anyKey(data []byte, ends []int) bool {
	begin := 0
	for _, end := range ends {
		if v.isKey(data[begin:end]) {
			return true
		}
		begin = end
	}
	return false
}

// sequence watches the sequence numbers and the SSRC of one track (RFC 3550 section 5.1).
type sequence struct {
	started bool
	next16  uint16
	ssrc    uint32
	// strange counts packets in a row that do not fit.
	strange     int
	strangeSSRC uint32
}

// next takes a packet's numbers. fit is false for one to leave out: a repeat, a late one, or the first of another
// source, which might be an accident. restarted says that the source began anew.
func (s *sequence) next(seq uint16, ssrc uint32) (lost int, fit, restarted bool) {
	if !s.started {
		s.started, s.next16, s.ssrc = true, seq+1, ssrc
		return 0, true, false
	}
	ahead := int16(seq - s.next16)
	if ssrc == s.ssrc && ahead >= 0 && ahead < 3000 {
		s.next16, s.strange = seq+1, 0
		return int(ahead), true, false
	}
	if ssrc == s.ssrc && ahead < 0 && ahead > -100 {
		return 0, false, false
	}
	if s.strange == 0 || ssrc != s.strangeSSRC {
		s.strange, s.strangeSSRC = 1, ssrc
		return 0, false, false
	}
	s.next16, s.ssrc, s.strange = seq+1, ssrc, 0
	return 1, true, true
}

func (v *videoTrack) payloadType() uint8  { return v.payload }
func (v *videoTrack) timing() *trackClock { return &v.clock }
