package nvr

import "context"

// keyWebRTC is the setting that switches WebRTC off; absent = on.
const keyWebRTC = "webrtc"

// WebRTC reports whether browsers may watch over WebRTC. It is the one place where TLS 1.2 is spoken to a browser, as DTLS, so an owner
// can do without.
func (n *NVR) WebRTC(ctx context.Context) (bool, error) {
	all, err := n.db.Settings(ctx)
	return all[keyWebRTC] != "off", err
}

func (n *NVR) setWebRTC(ctx context.Context, on bool) error {
	word := "off"
	if on {
		word = "on"
	}
	return n.db.PutSettings(ctx, map[string]string{keyWebRTC: word})
}
