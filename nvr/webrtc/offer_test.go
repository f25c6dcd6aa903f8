package webrtc

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"cardea/camera/frame"
)

// chromium is an offer as Chromium makes it, shortened.
const chromium = `v=0
o=- 4611733054762223410 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1
a=msid-semantic: WMS
m=video 9 UDP/TLS/RTP/SAVPF 96 103 109 117 39 49
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=candidate:1 1 udp 2113937151 1b2c3d4e-0000-4000-8000-000000000000.local 50000 typ host
a=ice-ufrag:Q8Zl
a=ice-pwd:aVq2xlOqGpHJqZ0m1Y0vYw1Y
a=ice-options:trickle
a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF
a=setup:actpass
a=mid:0
a=recvonly
a=rtcp-mux
a=rtpmap:96 VP8/90000
a=rtpmap:103 H264/90000
a=rtcp-fb:103 goog-remb
a=rtcp-fb:103 nack
a=rtcp-fb:103 nack pli
a=fmtp:103 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f
a=rtpmap:109 H264/90000
a=fmtp:109 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f
a=rtpmap:117 H264/90000
a=fmtp:117 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f
a=rtpmap:39 H264/90000
a=fmtp:39 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=64001f
a=rtpmap:49 H265/90000
a=fmtp:49 level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST
m=audio 9 UDP/TLS/RTP/SAVPF 111 0 8
c=IN IP4 0.0.0.0
a=ice-ufrag:Q8Zl
a=ice-pwd:aVq2xlOqGpHJqZ0m1Y0vYw1Y
a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF
a=setup:actpass
a=mid:1
a=recvonly
a=rtcp-mux
a=rtpmap:111 opus/48000/2
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
`

func offerText() string { return strings.ReplaceAll(chromium, "\n", "\r\n") }

func h264(profile byte) *frame.Track {
	return &frame.Track{Codec: frame.H264, ClockRate: 90000, Params: [][]byte{{0x67, profile, 0, 31}, {0x68, 1}}}
}

func TestChoose(t *testing.T) {
	o, err := ParseOffer(offerText())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		track   *frame.Track
		payload int
	}{
		"baseline":        {h264(66), 103},
		"main":            {h264(77), 117},
		"high":            {h264(100), 117}, // its own only without fragments, so the next best
		"extended":        {h264(88), -1},
		"H.265":           {&frame.Track{Codec: frame.H265, Params: [][]byte{{64, 1, 1}, {66, 1, 1, 0x61}}}, 49},
		"H.265, 10 bits":  {&frame.Track{Codec: frame.H265, Params: [][]byte{{64, 1, 1}, {66, 1, 1, 0x62}}}, -1},
		"without sets":    {&frame.Track{Codec: frame.H264}, -1},
		"Opus":            {&frame.Track{Codec: frame.Opus, ClockRate: 48000, Channels: 1}, 111},
		"G.711":           {&frame.Track{Codec: frame.PCMA, ClockRate: 8000, Channels: 1}, 8},
		"G.711 at 16 kHz": {&frame.Track{Codec: frame.PCMA, ClockRate: 16000, Channels: 1}, -1},
		"AAC":             {&frame.Track{Codec: frame.AAC, ClockRate: 48000, Channels: 1}, -1},
	} {
		got := -1
		if chosen := o.choose(c.track); chosen != nil {
			got = int(chosen.payload)
		}
		if got != c.payload {
			t.Errorf("%s: payload type %d, not %d", name, got, c.payload)
		}
	}
	if clean := o.clean(o.choose(h264(66))); strings.Contains(clean, "candidate") || strings.Contains(clean, "VP8") || strings.Count(clean, "m=") != 2 {
		t.Errorf("the library is given\n%s", clean)
	}
}

// TestParseOffer: what is not a browser's is refused with a sentence.
func TestParseOffer(t *testing.T) {
	for name, edit := range map[string]func(string) string{
		"nothing":           func(string) string { return "" },
		"no SDP":            func(string) string { return "{}" },
		"no media":          func(s string) string { return s[:strings.Index(s, "m=video")] },
		"two pictures":      func(s string) string { return strings.Replace(s, "m=audio", "m=video", 1) },
		"same mid":          func(s string) string { return strings.Replace(s, "a=mid:1", "a=mid:0", 1) },
		"two transports":    func(s string) string { return strings.Replace(s, "Q8Zl", "other", 1) },
		"no fingerprint":    func(s string) string { return strings.ReplaceAll(s, "a=fingerprint", "a=x") },
		"SHA-1":             func(s string) string { return strings.ReplaceAll(s, "sha-256 00:", "sha-1 00:") },
		"short password":    func(s string) string { return strings.ReplaceAll(s, "aVq2xlOqGpHJqZ0m1Y0vYw1Y", "short") },
		"no multiplexing":   func(s string) string { return strings.ReplaceAll(s, "a=rtcp-mux", "a=x") },
		"waits for DTLS":    func(s string) string { return strings.ReplaceAll(s, "actpass", "passive") },
		"a data channel":    func(s string) string { return strings.Replace(s, "m=audio", "m=application", 1) },
		"longer than ever":  func(s string) string { return s + strings.Repeat("a=x:y\r\n", OfferBytes/7) },
		"a line in the mid": func(s string) string { return strings.Replace(s, "a=mid:0", "a=mid:0 x", 1) },
	} {
		if _, err := ParseOffer(edit(offerText())); err == nil || len(err.Error()) < 20 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseOffer(f *testing.F) {
	f.Add(offerText())
	f.Add(strings.Replace(offerText(), "recvonly", "sendrecv", 2))
	f.Add("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=rtcp-mux\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		o, err := ParseOffer(text)
		if err != nil {
			return
		}
		if len(o.sections) == 0 || len(o.sections) > 2 {
			t.Fatalf("%d sections", len(o.sections))
		}
		var chosen []*codec
		for _, track := range []*frame.Track{h264(66), {Codec: frame.Opus, ClockRate: 48000, Channels: 2}} {
			if c := o.choose(track); c != nil {
				chosen = append(chosen, c)
			}
		}
		clean := o.clean(chosen...)
		again, err := ParseOffer(clean)
		if err != nil {
			t.Fatalf("what was written is not read: %v\n%s", err, clean)
		}
		if again.ufrag != o.ufrag || again.fingerprint != o.fingerprint || len(again.sections) != len(o.sections) {
			t.Fatalf("what was written is read otherwise\n%s", clean)
		}
		for _, line := range strings.Split(clean, "\r\n") {
			if strings.ContainsAny(line, "\r\n") || len(line) > 600 {
				t.Fatalf("a line %q", line)
			}
		}
	})
}

// TestPack: fragments give back what was cut (RFC 6184, 5.8; RFC 7798, 4.4.3).
func TestPack(t *testing.T) {
	for _, hevc := range []bool{false, true} {
		head := []byte{0x65}
		aud := []byte{9, 0xf0}
		if hevc {
			head, aud = []byte{19 << 1, 1}, []byte{35 << 1, 1, 0x50}
		}
		for _, size := range []int{3, payloadBytes - 1, payloadBytes, payloadBytes + 1, 3 * payloadBytes, 100_000} {
			nal := append(bytes.Clone(head), bytes.Repeat([]byte{7, 8, 9}, size)[:size]...)
			p := packer{hevc: hevc}
			var whole []byte
			packets, marks := 0, 0
			err := p.pack([][]byte{aud, nal, aud}, func(payload []byte, last bool) error {
				packets++
				if last {
					marks++
				}
				if len(payload) > payloadBytes {
					t.Errorf("a payload of %d bytes", len(payload))
				}
				switch {
				case !hevc && payload[0]&0x1f == 28:
					if payload[1]&0x80 != 0 {
						whole = append(whole, payload[0]&0xe0|payload[1]&0x1f)
					}
					whole = append(whole, payload[2:]...)
				case hevc && payload[0]>>1&0x3f == 49:
					if payload[2]&0x80 != 0 {
						whole = append(whole, payload[0]&0x81|payload[2]&0x3f<<1, payload[1])
					}
					whole = append(whole, payload[3:]...)
				default:
					whole = append(whole, payload...)
				}
				return nil
			})
			if err != nil || marks != 1 || !bytes.Equal(whole, nal) {
				t.Errorf("hevc %t, %d bytes: %d packets, %d marks, %d bytes back, %v", hevc, len(nal), packets, marks, len(whole), err)
			}
		}
	}
}

func TestAddresses(t *testing.T) {
	private := func(a netip.Addr) bool { return a.IsPrivate() || a.IsLoopback() }
	got := Addresses(private, "172.17.0.2", "192.168.1.5", "cardea.local", "8.8.8.8", "::ffff:192.168.1.5", "0.0.0.0", "fe80::1%eth0", "fd00::1")
	want := []netip.Addr{netip.MustParseAddr("172.17.0.2"), netip.MustParseAddr("192.168.1.5"), netip.MustParseAddr("fd00::1")}
	if len(got) != len(want) {
		t.Fatalf("%v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%v", got)
		}
	}
	answer := tell("a=x\r\na=candidate:9 1 udp 1 10.0.0.1 1 typ host\r\na=end-of-candidates\r\n", got[:1], 8443)
	if answer != "a=x\r\na=candidate:1 1 udp 2130706431 172.17.0.2 8443 typ host\r\na=end-of-candidates\r\n" {
		t.Errorf("%q", answer)
	}
}
