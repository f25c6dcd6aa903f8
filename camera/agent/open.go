package agent

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"strings"
)

// Connect makes a source of what a person writes: what OpenSource takes, rtsp:// or rtsps:// for an old camera, "libcamera:" for a
// camera of this machine, or "v4l2:/dev/video0" for a video device (both with ?width=&height=&fps= where wanted). It looks at the camera until its first key frame, which ctx bounds. pin is
// the SHA-256 of the SPKI of an old camera at rtsps://. Errors are sentences for people.
func Connect(ctx context.Context, uri string, pin []byte, log *slog.Logger) (Source, error) {
	scheme, rest, _ := strings.Cut(uri, ":")
	switch scheme {
	case "test":
		return OpenSource(uri)
	case "rtsp", "rtsps":
		return NewBridge(ctx, BridgeConfig{URL: uri, Pin: pin, Log: log})
	case "libcamera":
		_, query, _ := strings.Cut(rest, "?")
		options, err := url.ParseQuery(query)
		if err != nil {
			return nil, errors.New("libcamera: the options look like libcamera:?width=1280&height=720&fps=25")
		}
		return NewLibcamera(ctx, options)
	case "v4l2":
		path, query, _ := strings.Cut(rest, "?")
		options, err := url.ParseQuery(query)
		if err != nil || path == "" {
			return nil, errors.New("v4l2: a device looks like v4l2:/dev/video0 or v4l2:/dev/video0?width=1280&height=720&fps=25")
		}
		return NewV4L2(ctx, path, options, log)
	}
	if _, err := os.Stat(uri); err != nil {
		return nil, errors.New("the source is none of test:, libcamera:, v4l2:/dev/video0, rtsp://…, rtsps://… and no media file that exists")
	}
	return OpenSource(uri)
}
