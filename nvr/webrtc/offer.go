package webrtc

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"
	pion "github.com/pion/webrtc/v4"

	"cardea/camera/frame"
)

// OfferBytes is the longest offer that is read; those of browsers are about a quarter of it.
const OfferBytes = 64 << 10

// payloads is how many formats a media section may list.
const payloads = 128

// Offer is what a browser can and wants (RFC 8829, 5.2), as far as it is used here. Of the text that came nothing else survives.
type Offer struct {
	ufrag, pwd  string
	fingerprint string // "sha-256 AA:BB:…"
	sections    []section
}

// section is one media section of an offer: video or audio.
type section struct {
	kind     string
	mid      string
	sends    bool // the browser has something to say
	receives bool
	codecs   []codec
}

// codec is one format that a browser offers.
type codec struct {
	payload  uint8
	name     string // upper case: H264, H265, OPUS, PCMU, PCMA
	rate     int
	channels int
	fmtp     string
	feedback []string // of nack and nack pli, what the browser offers
}

var (
	iceText  = regexp.MustCompile(`^[A-Za-z0-9+/]+$`)
	hashText = regexp.MustCompile(`^[0-9A-F]{2}(:[0-9A-F]{2}){31}$`)
	midText  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,16}$`)
	fmtpText = regexp.MustCompile(`^[A-Za-z0-9 =;,./:_-]{0,400}$`)
)

// ParseOffer reads an offer. Its errors are sentences.
func ParseOffer(text string) (*Offer, error) {
	if len(text) > OfferBytes {
		return nil, errors.New("this offer is longer than any browser's")
	}
	var d sdp.SessionDescription
	if err := d.UnmarshalString(text); err != nil {
		return nil, errors.New("this is no session description (SDP, RFC 8866); send the offer of an RTCPeerConnection")
	}
	if n := len(d.MediaDescriptions); n == 0 || n > 2 {
		return nil, errors.New("an offer has one section for video or audio, or one for each")
	}
	o := &Offer{}
	for _, m := range d.MediaDescriptions {
		find := func(key string) string {
			if v, ok := m.Attribute(key); ok {
				return v
			}
			v, _ := d.Attribute(key)
			return v
		}
		if err := o.identity(find); err != nil {
			return nil, err
		}
		s, err := parseSection(m, find)
		if err != nil {
			return nil, err
		}
		if len(o.sections) == 1 && (o.sections[0].kind == s.kind || o.sections[0].mid == s.mid) {
			return nil, errors.New("an offer has one section for video or audio, or one for each")
		}
		o.sections = append(o.sections, s)
	}
	return o, nil
}

// identity reads what the transport is known by. All sections share one (RFC 9143).
func (o *Offer) identity(find func(string) string) error {
	ufrag, pwd := find("ice-ufrag"), find("ice-pwd")
	// RFC 8839, 5.4
	if len(ufrag) < 4 || len(ufrag) > 256 || len(pwd) < 22 || len(pwd) > 256 || !iceText.MatchString(ufrag) || !iceText.MatchString(pwd) {
		return errors.New("the offer holds no usable ICE credentials")
	}
	algorithm, hash, _ := strings.Cut(find("fingerprint"), " ")
	hash = strings.ToUpper(hash)
	if !strings.EqualFold(algorithm, "sha-256") || !hashText.MatchString(hash) {
		return errors.New("the offer holds no SHA-256 fingerprint of a certificate")
	}
	if setup := find("setup"); setup != "actpass" && setup != "active" {
		return errors.New("in the offer the browser does not begin the DTLS handshake (a=setup)")
	}
	next := Offer{ufrag: ufrag, pwd: pwd, fingerprint: "sha-256 " + hash}
	if o.ufrag != "" && (o.ufrag != next.ufrag || o.pwd != next.pwd || o.fingerprint != next.fingerprint) {
		return errors.New("the sections of the offer do not share one transport (BUNDLE)")
	}
	o.ufrag, o.pwd, o.fingerprint = next.ufrag, next.pwd, next.fingerprint
	return nil
}

func parseSection(m *sdp.MediaDescription, find func(string) string) (section, error) {
	s := section{kind: m.MediaName.Media, mid: find("mid"), receives: true, sends: true}
	if s.kind != "video" && s.kind != "audio" || !midText.MatchString(s.mid) || len(m.MediaName.Formats) > payloads {
		return section{}, errors.New("a section of the offer is neither video nor audio as a browser describes them")
	}
	if _, ok := m.Attribute("rtcp-mux"); !ok {
		return section{}, errors.New("the offer does not multiplex RTP and RTCP (a=rtcp-mux)")
	}
	for _, a := range m.Attributes {
		switch a.Key {
		case "recvonly":
			s.sends = false
		case "sendonly":
			s.receives = false
		case "inactive":
			s.sends, s.receives = false, false
		}
	}
	for _, format := range m.MediaName.Formats {
		number, err := strconv.ParseUint(format, 10, 7)
		if err != nil {
			continue
		}
		if c, ok := parseCodec(m, uint8(number), s.kind); ok {
			s.codecs = append(s.codecs, c)
		}
	}
	return s, nil
}

// parseCodec gathers the attributes of one payload type. Those that nothing here sends are left out.
func parseCodec(m *sdp.MediaDescription, payload uint8, kind string) (codec, bool) {
	c := codec{payload: payload}
	switch payload { // static ones need no rtpmap (RFC 3551, 6)
	case 0:
		c.name, c.rate = "PCMU", 8000
	case 8:
		c.name, c.rate = "PCMA", 8000
	}
	prefix := strconv.Itoa(int(payload)) + " "
	for _, a := range m.Attributes {
		value, ok := strings.CutPrefix(a.Value, prefix)
		if !ok {
			continue
		}
		switch a.Key {
		case "rtpmap":
			part := strings.Split(value, "/")
			c.name, c.rate, c.channels = strings.ToUpper(part[0]), 0, 0
			if len(part) > 1 {
				c.rate, _ = strconv.Atoi(part[1]) // 0 fits no codec
			}
			if len(part) > 2 {
				c.channels, _ = strconv.Atoi(part[2])
			}
		case "fmtp":
			c.fmtp = value
		case "rtcp-fb":
			if (value == "nack" || value == "nack pli") && !slices.Contains(c.feedback, value) {
				c.feedback = append(c.feedback, value)
			}
		}
	}
	if !fmtpText.MatchString(c.fmtp) {
		return codec{}, false
	}
	switch {
	case kind == "video" && (c.name == "H264" || c.name == "H265") && c.rate == 90000:
	case kind == "audio" && c.name == "OPUS" && c.rate == 48000 && c.channels == 2:
	case kind == "audio" && (c.name == "PCMU" || c.name == "PCMA") && c.rate == 8000 && c.channels <= 1:
		c.channels = 0
	default:
		return codec{}, false
	}
	return c, true
}

// param is one value of the format parameters.
func (c *codec) param(name string) string {
	for pair := range strings.SplitSeq(c.fmtp, ";") {
		if key, value, _ := strings.Cut(strings.TrimSpace(pair), "="); strings.EqualFold(key, name) {
			return value
		}
	}
	return ""
}

func (c *codec) kind() pion.RTPCodecType {
	if c.name == "H264" || c.name == "H265" {
		return pion.RTPCodecTypeVideo
	}
	return pion.RTPCodecTypeAudio
}

func (c *codec) capability() pion.RTPCodecCapability {
	kind, name := "video/", c.name
	if c.kind() == pion.RTPCodecTypeAudio {
		kind = "audio/"
	}
	if name == "OPUS" {
		name = "opus"
	}
	cap := pion.RTPCodecCapability{MimeType: kind + name, ClockRate: uint32(c.rate), Channels: uint16(c.channels), SDPFmtpLine: c.fmtp}
	for _, f := range c.feedback {
		what, more, _ := strings.Cut(f, " ")
		cap.RTCPFeedback = append(cap.RTCPFeedback, pion.RTCPFeedback{Type: what, Parameter: more})
	}
	return cap
}

func (c *codec) parameters() pion.RTPCodecParameters {
	return pion.RTPCodecParameters{RTPCodecCapability: c.capability(), PayloadType: pion.PayloadType(c.payload)}
}

// section gives the section of a kind, nil where there is none.
func (o *Offer) section(kind string) *section {
	for i := range o.sections {
		if o.sections[i].kind == kind {
			return &o.sections[i]
		}
	}
	return nil
}

// choose finds the format in which the browser receives a track as the camera sends it; nil where there is none.
func (o *Offer) choose(t *frame.Track) *codec {
	s := o.section("audio")
	if t.Codec.Video() {
		s = o.section("video")
	}
	if s == nil || !s.receives {
		return nil
	}
	var best *codec
	for i := range s.codecs {
		c := &s.codecs[i]
		if f := c.fit(t); f > 0 && (best == nil || f > best.fit(t)) {
			best = c
		}
	}
	return best
}

// fit says how well a format carries a track: 0 for not at all.
func (c *codec) fit(t *frame.Track) int {
	switch {
	case t.Codec == frame.H264 && c.name == "H264":
		// Larger pictures need fragments, which only packetization mode 1 has (RFC 6184, 5.4).
		if c.param("packetization-mode") != "1" || len(t.Params) == 0 || len(t.Params[0]) < 4 {
			return 0
		}
		return profileFit(t.Params[0][1], c.param("profile-level-id"))
	case t.Codec == frame.H265 && c.name == "H265":
		// The profile stands behind two bytes of header and one of numbers (ITU-T H.265, 7.3.2.2 and 7.3.3).
		if len(t.Params) < 2 || len(t.Params[1]) < 4 {
			return 0
		}
		if cmp.Or(c.param("profile-id"), "1") == strconv.Itoa(int(t.Params[1][3]&0x1f)) {
			return 2
		}
		return 0
	case t.Codec == frame.Opus && c.name == "OPUS",
		t.Codec == frame.PCMU && c.name == "PCMU" && t.ClockRate == 8000 && t.Channels == 1,
		t.Codec == frame.PCMA && c.name == "PCMA" && t.ClockRate == 8000 && t.Channels == 1:
		return 1
	}
	return 0
}

// profileFit compares profiles of H.264. Browsers name the profiles that they would encode; their decoders take all of baseline, main
// and high, so another one than the camera's is taken where its own is not offered.
func profileFit(own byte, offered string) int {
	b, err := hex.DecodeString(offered)
	if err != nil || len(b) != 3 {
		return 0
	}
	rank := func(profile byte) int { return slices.Index([]byte{66, 77, 100}, profile) }
	switch {
	case b[0] == own:
		return 4
	case rank(own) < 0 || rank(b[0]) < 0:
		return 0
	case rank(b[0]) > rank(own):
		return 3
	}
	return 1 + rank(b[0])
}

// clean writes the offer anew for the library, with nothing but what was read and the chosen codecs.
func (o *Offer) clean(chosen ...*codec) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0")
	mids := make([]string, len(o.sections))
	for i, s := range o.sections {
		mids[i] = s.mid
	}
	line("a=group:BUNDLE %s", strings.Join(mids, " "))
	for _, s := range o.sections {
		var use *codec
		for i := range s.codecs {
			if slices.Contains(chosen, &s.codecs[i]) {
				use = &s.codecs[i]
			}
		}
		payload := uint8(127)
		if use != nil {
			payload = use.payload
		}
		line("m=%s 9 UDP/TLS/RTP/SAVPF %d\r\nc=IN IP4 0.0.0.0\r\na=rtcp-mux\r\na=mid:%s", s.kind, payload, s.mid)
		line("a=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=fingerprint:%s\r\na=setup:actpass", o.ufrag, o.pwd, o.fingerprint)
		switch {
		case s.sends && s.receives:
			line("a=sendrecv")
		case s.sends:
			line("a=sendonly")
		case s.receives:
			line("a=recvonly")
		default:
			line("a=inactive")
		}
		if use == nil {
			line("a=rtpmap:127 none/90000")
			continue
		}
		c := use.capability()
		_, name, _ := strings.Cut(c.MimeType, "/")
		line("a=rtpmap:%d %s/%d%s", payload, name, use.rate, map[bool]string{true: "/2"}[use.channels == 2])
		if use.fmtp != "" {
			line("a=fmtp:%d %s", payload, use.fmtp)
		}
		for _, f := range use.feedback {
			line("a=rtcp-fb:%d %s", payload, f)
		}
	}
	return b.String()
}
