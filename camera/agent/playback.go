package agent

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/headers"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"cardea/camera/frame"
	"cardea/camera/rtsp"
)

const (
	// maxPlaybacks is how many sessions read the memory at a time.
	maxPlaybacks = 2
	// playbackBatch is about how much goes into one write, playbackPatience how long the reader may take none of it.
	playbackBatch    = 64 << 10
	playbackPatience = 30 * time.Second
)

// playback is a session that plays what a stream remembers, as the ONVIF Streaming Specification has it (see rtsp.Replay). It has a
// stream of the library's to itself, for the dialogue; media is written to the connection by the playback's own goroutine, so that
// the reader's pace is its pace.
type playback struct {
	s      *stream
	m      *memory
	out    *gortsplib.ServerStream
	set    mediaSet
	log    *slog.Logger
	cancel context.CancelFunc
	ctx    context.Context //nolint:containedctx // of the session
	wg     *sync.WaitGroup

	life uint64
	// setup is the track whose SETUP is under way, channels and ssrc are by track.
	setup    int
	channels map[int]uint8
	ssrc     map[int]uint32
	next     map[int]uint16 // sequence numbers
}

// openPlayback answers the first SETUP of a session that wants recorded media.
func (h *handler) openPlayback(s *stream) (*playback, *base.Response) {
	if s.memory == nil {
		return nil, &base.Response{StatusCode: base.StatusOptionNotSupported, Header: base.Header{"Unsupported": {rtsp.ReplayOption}}}
	}
	if s.playbacks.Add(1) > maxPlaybacks {
		s.playbacks.Add(-1)
		return nil, &base.Response{StatusCode: base.StatusNotEnoughBandwidth}
	}
	p := &playback{
		s: s, m: s.memory, log: h.log, wg: &h.playing, setup: -1,
		channels: map[int]uint8{}, ssrc: map[int]uint32{}, next: map[int]uint16{},
	}
	var err error
	s.mu.Lock()
	p.life = s.memory.name()
	p.set, err = newMediaSet(s.now)
	s.mu.Unlock()
	if err == nil {
		p.out = &gortsplib.ServerStream{Server: h.server, Desc: p.set.desc}
		err = p.out.Initialize()
	}
	if err != nil {
		s.playbacks.Add(-1)
		h.log.Debug("memory cannot be played", slog.Any("error", err))
		return nil, &base.Response{StatusCode: base.StatusInternalServerError}
	}
	p.ctx, p.cancel = context.WithCancel(h.ctx)
	return p, nil
}

// close ends the session's part here.
func (p *playback) close() {
	p.cancel()
	p.s.playbacks.Add(-1)
	p.out.Close()
}

// trackOf reads which track a SETUP is for, -1 for none; the library checks it properly.
func trackOf(req *base.Request) int {
	_, id, found := strings.Cut(req.URL.String(), "trackID=")
	n, err := strconv.Atoi(id)
	if !found || err != nil {
		return -1
	}
	return n
}

// answered takes from the library's answer to SETUP what it chose.
func (p *playback) answered(res *base.Response) {
	var t headers.Transport
	if p.setup < 0 || res.StatusCode != base.StatusOK || t.Unmarshal(res.Header["Transport"]) != nil {
		return
	}
	if t.InterleavedIDs != nil {
		p.channels[p.setup] = uint8(t.InterleavedIDs[0])
	}
	if t.SSRC != nil {
		p.ssrc[p.setup] = *t.SSRC
	}
	p.setup = -1
}

// play answers PLAY. Media follows the answer.
func (p *playback) play(ctx *gortsplib.ServerHandlerOnPlayCtx) *base.Response {
	header := base.Header{"Rate-Control": {"no"}}
	out, ok := ctx.Conn.NetConn().(*conn)
	if !ok || len(p.channels) == 0 {
		return &base.Response{StatusCode: base.StatusUnsupportedTransport} // over UDP nobody would say how fast
	}
	oldest, newest, any := p.m.kept()
	refuse := func() *base.Response {
		if any {
			header["Range"] = base.HeaderValue{rtsp.Clock(time.UnixMicro(oldest), time.UnixMicro(newest))}
		}
		return &base.Response{StatusCode: base.StatusInvalidRange, Header: header}
	}
	asked := ctx.Request.Header["Range"]
	if len(asked) != 1 {
		return refuse()
	}
	from, to, err := rtsp.ParseClock(asked[0])
	if err != nil {
		return refuse()
	}
	at, begin, ok := p.m.seek(from.UnixMicro())
	if !ok {
		return refuse()
	}
	end := newest
	if !to.IsZero() {
		end = min(end, to.UnixMicro())
	}
	header["Range"] = base.HeaderValue{rtsp.Clock(time.UnixMicro(begin), time.UnixMicro(max(begin, end)))}
	p.wg.Add(1)
	once := sync.OnceFunc(p.wg.Done)
	out.after(func() {
		go func() {
			defer once()
			if err := p.run(out, at, end, to.IsZero()); err != nil {
				p.log.Debug("memory not played to the end", slog.Any("reason", err))
				_ = out.Close() // the reader must not wait for more
			}
		}()
	})
	context.AfterFunc(p.ctx, func() { // also when the answer is never written
		if out.disarm() {
			once()
		}
	})
	return &base.Response{StatusCode: base.StatusOK, Header: header}
}

// run writes what is kept from at on up to the first picture with stamp end or later; where nobody asked for an end, what came until
// then is enough.
func (p *playback) run(out *conn, at, end int64, open bool) error {
	batch := make([]byte, 0, 2*playbackBatch)
	for p.ctx.Err() == nil {
		r, after, wait, gone := p.m.next(at, p.life)
		if gone {
			return fmt.Errorf("it was overwritten before it was read")
		}
		if wait != nil { // the end that was asked for is still to come
			if err := p.send(out, batch); err != nil {
				return err
			}
			batch = batch[:0]
			select {
			case <-wait:
			case <-p.ctx.Done():
			}
			continue
		}
		at = after
		var err error
		if batch, err = p.append(batch, &r); err != nil {
			return err
		}
		last := r.stamp >= end && (open || p.s.isVideo(r.track))
		if len(batch) >= playbackBatch || last {
			if last {
				batch = p.bye(batch)
			}
			if err := p.send(out, batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
		if last {
			return nil
		}
	}
	return p.ctx.Err()
}

func (p *playback) send(out *conn, batch []byte) error {
	if len(batch) == 0 {
		return nil
	}
	if err := out.SetWriteDeadline(time.Now().Add(playbackPatience)); err != nil {
		return err
	}
	_, err := out.Write(batch)
	return err
}

// append adds the packets of an access unit as interleaved frames (RFC 2326, section 10.12).
func (p *playback) append(to []byte, r *record) ([]byte, error) {
	channel, wanted := p.channels[r.track]
	if !wanted {
		return to, nil
	}
	packets, err := p.set.packets(&frame.Frame{Track: r.track, PTS: r.pts, DTS: r.dts, Key: r.key, Payload: r.payload})
	if err != nil {
		return to, nil //nolint:nilerr // what RTP cannot carry was not sent live either
	}
	if err := rtsp.PutStamp(packets[0], r.stamp, r.key); err != nil {
		return to, err
	}
	for _, packet := range packets {
		packet.SSRC, packet.SequenceNumber = p.ssrc[r.track], p.next[r.track]
		p.next[r.track]++
		if to, err = appendPacket(to, channel, packet); err != nil {
			return to, err
		}
	}
	return to, nil
}

func appendPacket(to []byte, channel uint8, packet *rtp.Packet) ([]byte, error) {
	n := packet.MarshalSize()
	to = append(to, '$', channel)
	to = binary.BigEndian.AppendUint16(to, uint16(n))
	at := len(to)
	to = append(to, make([]byte, n)...)
	_, err := packet.MarshalTo(to[at:])
	return to, err
}

// bye says on all channels that this was all (RFC 3550, section 6.6).
func (p *playback) bye(to []byte) []byte {
	for track, channel := range p.channels {
		data, err := (&rtcp.Goodbye{Sources: []uint32{p.ssrc[track]}}).Marshal()
		if err != nil {
			continue
		}
		to = append(to, '$', channel+1)
		to = binary.BigEndian.AppendUint16(to, uint16(len(data)))
		to = append(to, data...)
	}
	return to
}

func lifeText(life uint64) string { return fmt.Sprintf("%016x", life) }
