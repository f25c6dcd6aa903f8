package webrtc

// payloadBytes is how much of a NAL unit goes into one packet, so that with all headers it fits into any path of a LAN.
const payloadBytes = 1180

// packer cuts access units into RTP payloads: single NAL units and fragments of RFC 6184 (5.6, 5.8) and RFC 7798 (4.4.1, 4.4.3).
type packer struct {
	hevc    bool
	scratch [payloadBytes]byte
}

// pack calls emit for each payload of an access unit, in order; last marks the end of the picture. A payload is good during the call
// only: it is the camera's own memory or the scratch.
func (p *packer) pack(units [][]byte, emit func(payload []byte, last bool) error) error {
	end := len(units) - 1
	for end >= 0 && p.idle(units[end]) {
		end--
	}
	for i, nal := range units[:end+1] {
		if p.idle(nal) {
			continue
		}
		if err := p.unit(nal, i == end, emit); err != nil {
			return err
		}
	}
	return nil
}

// idle reports whether a NAL unit carries nothing for a decoder: delimiters, filler, nothing.
func (p *packer) idle(nal []byte) bool {
	if p.hevc {
		return len(nal) < 3 || kindOf(nal, true) == 35 || kindOf(nal, true) == 38
	}
	return len(nal) < 2 || kindOf(nal, false) == 9 || kindOf(nal, false) == 12
}

// kindOf is the type of a NAL unit.
func kindOf(nal []byte, hevc bool) byte {
	switch {
	case len(nal) == 0:
		return 0
	case hevc:
		return nal[0] >> 1 & 0x3f
	}
	return nal[0] & 0x1f
}

func (p *packer) unit(nal []byte, last bool, emit func([]byte, bool) error) error {
	if len(nal) <= payloadBytes {
		return emit(nal, last)
	}
	var head int
	var kind byte
	if p.hevc {
		head, kind = 3, kindOf(nal, true)
		p.scratch[0], p.scratch[1] = nal[0]&0x81|49<<1, nal[1]
		nal = nal[2:]
	} else {
		head, kind = 2, kindOf(nal, false)
		p.scratch[0] = nal[0]&0xe0 | 28
		nal = nal[1:]
	}
	const start, end = 0x80, 0x40
	for flag := byte(start); len(nal) > 0; flag = 0 {
		n := copy(p.scratch[head:], nal)
		nal = nal[n:]
		if len(nal) == 0 {
			flag |= end
		}
		p.scratch[head-1] = flag | kind
		if err := emit(p.scratch[:head+n], last && len(nal) == 0); err != nil {
			return err
		}
	}
	return nil
}

// missingParams reports whether a key frame comes without its parameter sets, so that those of the track have to go before it.
func missingParams(units [][]byte, hevc bool) bool {
	sps := byte(7)
	if hevc {
		sps = 33
	}
	for _, nal := range units {
		if kindOf(nal, hevc) == sps {
			return false
		}
	}
	return true
}
