package webrtc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	pion "github.com/pion/webrtc/v4"

	"cardea/camera/frame"
)

// reportEvery is how often a browser is told when its pictures were captured (RFC 3550, 6.4.1).
const reportEvery = time.Second

// burstPackets is how many packets go without a pause.
const burstPackets = 32

// Source gives the frames of a camera, beginning with a key frame, as a live hub.Reader does: Next waits, Drain takes what is there.
type Source interface {
	Next(ctx context.Context) (*frame.Frame, error)
	Drain(dst []*frame.Frame) []*frame.Frame
	Close()
}

// View is one browser that watches one camera.
type View struct {
	*session
	reader Source
	stream *frame.Stream
	queue  []*frame.Frame // from the newest key frame on, until the browser is connected
	still  bool           // nothing more before the next key frame
	video  *track
	audio  *track // nil without
}

// track is one stream of packets.
type track struct {
	frame.Track
	index  int // of the camera's stream
	out    *pion.TrackLocalStaticRTP
	sender *pion.RTPSender
	ssrc   uint32
	packer packer
	packet rtp.Packet

	stream   *frame.Stream // in force for offset
	offset   int64         // what is added to PTS
	last     uint32        // timestamp of the newest frame
	lastPTS  int64
	lastWall time.Time
	packets  uint32
	burst    int       // packets since the last pause
	written  time.Time // the newest packet
	bytes    uint32
	reported time.Time
}

// View answers an offer with the frames of a source. It waits for the first picture
// as long as ctx lasts. After an error the source is still the caller's; otherwise Run closes it.
func (s *Server) View(ctx context.Context, o *Offer, at []netip.Addr, reader Source) (*View, error) {
	first, err := reader.Next(ctx)
	if err != nil {
		return nil, err
	}
	v := &View{reader: reader}
	if err := v.take(reader.Drain([]*frame.Frame{first})); err != nil {
		return nil, err
	}
	v.stream = v.queue[0].Stream
	index := v.stream.Video()
	if index < 0 {
		return nil, ErrCodec
	}
	video := o.choose(&v.stream.Tracks[index])
	if video == nil {
		return nil, fmt.Errorf("the browser does not take %s over WebRTC", v.stream.Tracks[index].Codec)
	}
	var audio *codec
	sound := -1
	for i := range v.stream.Tracks {
		if t := &v.stream.Tracks[i]; sound < 0 && !t.Codec.Video() {
			if audio = o.choose(t); audio != nil {
				sound = i
			}
		}
	}
	pc, err := s.peer(at, video, audio)
	if err != nil {
		return nil, err
	}
	if v.video, err = v.add(pc, index, video); err == nil && audio != nil {
		v.audio, err = v.add(pc, sound, audio)
	}
	if err == nil {
		v.session, err = s.negotiate(pc, at, o.clean(video, audio))
	}
	if err != nil {
		return nil, errors.Join(err, pc.GracefulClose())
	}
	for _, t := range []*track{v.video, v.audio} {
		if t != nil {
			t.ssrc = uint32(t.sender.GetParameters().Encodings[0].SSRC)
		}
	}
	return v, nil
}

// Answer is the answer to the offer.
func (v *View) Answer() string { return v.answer }

// Still makes the view begin with one picture and go on at the next key frame: the newest ones are old, and a row of them would look
// like a picture that moves. Call it before Run.
func (v *View) Still() {
	clear(v.queue[1:])
	v.queue, v.still = v.queue[:1], true
}

// Sound reports whether the camera's sound goes along.
func (v *View) Sound() bool { return v.audio != nil }

func (v *View) add(pc *pion.PeerConnection, index int, c *codec) (*track, error) {
	t := &track{Track: v.stream.Tracks[index], index: index, last: rand.Uint32()}
	t.packer.hevc = t.Codec == frame.H265
	var err error
	kind := "audio"
	if t.Codec.Video() {
		kind = "video"
	}
	if t.out, err = pion.NewTrackLocalStaticRTP(c.capability(), kind, "cardea"); err != nil {
		return nil, fmt.Errorf("make track: %w", err)
	}
	if t.sender, err = pc.AddTrack(t.out); err != nil {
		return nil, fmt.Errorf("add track: %w", err)
	}
	return t, nil
}

// take keeps frames for the start, from the newest key frame on, and looks at their order.
func (v *View) take(frames []*frame.Frame) error {
	var before *frame.Frame
	for _, f := range frames {
		switch {
		case !f.Video():
		case f.Key:
			clear(v.queue)
			v.queue, before, v.still = v.queue[:0], nil, false
		case v.still:
			continue
		case before != nil && f.PTS <= before.PTS:
			return ErrReordered
		}
		if f.Video() {
			before = f
		}
		v.queue = append(v.queue, f)
	}
	return nil
}

// Run sends until the browser goes, the camera is removed or ctx is done, and closes the source.
func (v *View) Run(ctx context.Context) error {
	defer v.reader.Close()
	defer v.end()
	if err := v.wait(ctx); err != nil {
		return err
	}
	ctx, stop := v.until(ctx)
	defer stop()
	for _, t := range []*track{v.video, v.audio} {
		if t != nil {
			go drain(t.sender) // ends with the connection; lets what the browser asks for again be sent
		}
	}
	if err := v.begin(); err != nil {
		return err
	}
	for {
		f, err := v.reader.Next(ctx)
		if err == nil {
			err = v.send(f)
		}
		switch {
		case err == nil:
			continue
		case ctx.Err() != nil && v.left():
			return ErrGone
		}
		return err
	}
}

// drain reads the browser's reports, which is what makes the library act on them.
func drain(s *pion.RTPSender) {
	buffer := make([]byte, 1500)
	for {
		if _, _, err := s.Read(buffer); err != nil {
			return
		}
	}
}

// begin sends everything from the newest key frame to now at once. The pictures of the past are dated a millisecond apart: at their own
// distance a browser would show them at their own pace, and stay behind by as much for ever.
func (v *View) begin() error {
	if err := v.take(v.reader.Drain(nil)); err != nil {
		return err
	}
	pictures := 0
	for _, f := range v.queue {
		if f.Video() {
			pictures++
		}
	}
	now := v.video.last
	for _, f := range v.queue {
		if !f.Video() {
			continue // what was said before one came
		}
		pictures--
		if err := v.adopt(f.Stream); err != nil {
			return err
		}
		v.video.date(f, now-uint32(pictures*v.video.ClockRate/1000))
		if err := v.picture(f); err != nil {
			return err
		}
	}
	v.queue = nil
	return nil
}

// date gives a frame its timestamp, and those after it by that.
func (t *track) date(f *frame.Frame, at uint32) {
	t.stream, t.offset = f.Stream, int64(at)-f.PTS
	t.last, t.lastPTS, t.lastWall = at, f.PTS, f.Wall
}

// next finds the timestamp of the frame after the last one. A new stream has times of its own; it goes on where the clock on the wall is.
func (t *track) next(f *frame.Frame) {
	switch {
	case t.lastWall.IsZero():
		t.date(f, t.last)
	case f.Stream != t.stream:
		step := max(int64(f.Wall.Sub(t.lastWall).Seconds()*float64(t.ClockRate)), 1)
		t.date(f, t.last+uint32(step))
	default:
		t.last, t.lastPTS, t.lastWall = uint32(f.PTS+t.offset), f.PTS, f.Wall
	}
}

// adopt goes on with what a camera sends now: as a rule another size of picture.
func (v *View) adopt(s *frame.Stream) error {
	if s == v.stream {
		return nil
	}
	if s.Video() != v.video.index || s.Tracks[v.video.index].Codec != v.video.Codec {
		return ErrCodec
	}
	if a := v.audio; a != nil && (a.index >= len(s.Tracks) || s.Tracks[a.index].Codec != a.Codec) {
		return ErrCodec
	}
	v.stream, v.video.Params = s, s.Tracks[v.video.index].Params
	return nil
}

// send passes on one frame as it comes.
func (v *View) send(f *frame.Frame) error {
	if err := v.adopt(f.Stream); err != nil {
		return err
	}
	if f.Video() {
		if v.still = v.still && !f.Key; v.still {
			return nil
		}
		if f.Stream == v.video.stream && f.PTS <= v.video.lastPTS {
			return ErrReordered
		}
		v.video.next(f)
		return v.picture(f)
	}
	if v.audio == nil || f.Track != v.audio.index {
		return nil
	}
	v.audio.next(f)
	for _, unit := range f.Payload {
		if err := v.audio.write(unit, false); err != nil {
			return err
		}
	}
	return v.report(v.audio, f.Wall)
}

// picture sends a picture under the timestamp that was found for it. A decoder that starts here needs the parameter sets.
func (v *View) picture(f *frame.Frame) error {
	t := v.video
	if f.Key && missingParams(f.Payload, t.packer.hevc) {
		for _, nal := range t.Params {
			if err := t.write(nal, false); err != nil {
				return err
			}
		}
	}
	if err := t.packer.pack(f.Payload, t.write); err != nil {
		return err
	}
	return v.report(t, f.Wall)
}

// write sends one packet. The payload is not kept. A large picture is spread a little: the buffers on the way hold about a hundred
// packets, and what they drop has to be asked for again.
func (t *track) write(payload []byte, marker bool) error {
	now := time.Now()
	if now.Sub(t.written) > time.Millisecond {
		t.burst = 0
	}
	if t.burst++; t.burst > burstPackets {
		t.burst = 0
		time.Sleep(time.Millisecond)
	}
	t.written = now
	t.packets++
	t.bytes += uint32(len(payload))
	t.packet.Header = rtp.Header{Version: 2, Marker: marker, SequenceNumber: uint16(t.packets), Timestamp: t.last}
	t.packet.Payload = payload
	if err := t.out.WriteRTP(&t.packet); err != nil {
		return fmt.Errorf("%w: send: %w", ErrGone, err) // nothing else makes it fail
	}
	return nil
}

// report tells the browser when the newest frame was captured, by which it puts sound to picture.
func (v *View) report(t *track, wall time.Time) error {
	if wall.Sub(t.reported).Abs() < reportEvery {
		return nil
	}
	t.reported = wall
	err := v.pc.WriteRTCP([]rtcp.Packet{&rtcp.SenderReport{
		SSRC: t.ssrc, NTPTime: ntp(wall), RTPTime: t.last, PacketCount: t.packets, OctetCount: t.bytes,
	}})
	if err != nil {
		return fmt.Errorf("%w: report: %w", ErrGone, err)
	}
	return nil
}

// ntp is a time in the format of RFC 3550, section 4.
func ntp(t time.Time) uint64 {
	const epoch = 2_208_988_800 // from 1900 to 1970
	return uint64(t.Unix()+epoch)<<32 | uint64(t.Nanosecond())<<32/1_000_000_000
}
