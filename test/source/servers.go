package source

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

//go:embed testdata/gst_rtsp_server.py
var gstScript string

// Options say how a GStreamer server is to be.
type Options struct {
	TLS            bool
	User, Password string // asked for by Digest when User is not empty
}

// GStreamerFilm serves a film by GStreamer's RTSP server, from its start for each client, once.
func GStreamerFilm(t testing.TB, film *Film, o Options) *Server {
	t.Helper()
	parse, pay := "h264parse config-interval=-1", "rtph264pay aggregate-mode=zero-latency"
	if film.Codec == H265 {
		parse, pay = "h265parse config-interval=-1", "rtph265pay aggregate-mode=zero-latency"
	}
	launch := fmt.Sprintf("( filesrc location=%q ! qtdemux name=d "+
		"d.video_0 ! queue ! %s ! %s name=pay0 pt=96 "+
		"d.audio_0 ! queue ! aacparse ! rtpmp4gpay name=pay1 pt=97 )", film.Path, parse, pay)
	return gstreamer(t, map[string]any{"launch": launch}, o)
}

// GStreamerLive serves snow, of which no two pictures are the same, drawn and encoded while it is watched, with AAC
// sound. All clients see the same. Its Ledger lists what was sent.
func GStreamerLive(t testing.TB, codec Codec, o Options) *Server {
	t.Helper()
	encode := "x264enc tune=zerolatency speed-preset=ultrafast bitrate=800 key-int-max=25 ! video/x-h264,profile=main ! " +
		"h264parse config-interval=-1 ! video/x-h264,stream-format=byte-stream,alignment=au ! rtph264pay"
	name := "h264"
	if codec == H265 {
		encode = "x265enc tune=zerolatency speed-preset=ultrafast bitrate=800 key-int-max=25 ! " +
			"h265parse config-interval=-1 ! video/x-h265,stream-format=byte-stream,alignment=au ! rtph265pay"
		name = "h265"
	}
	launch := fmt.Sprintf("( videotestsrc is-live=true pattern=snow ! video/x-raw,width=320,height=180,framerate=%d/1 ! "+
		"videoconvert ! %s name=pay0 pt=96 "+
		"audiotestsrc is-live=true wave=ticks ! audio/x-raw,rate=48000,channels=1 ! voaacenc bitrate=48000 ! aacparse ! "+
		"rtpmp4gpay name=pay1 pt=97 )", FPS, encode)
	return gstreamer(t, map[string]any{
		"launch": launch, "shared": true, "codec": name, "ledger": filepath.Join(openDir(t), "ledger"),
	}, o)
}

// GStreamerEar is GStreamerLive as an ONVIF camera with a loudspeaker (ONVIF Streaming Specification 5.3): heard is the file that what
// it plays goes to, in µ-law.
func GStreamerEar(t testing.TB, o Options) (s *Server, heard string) {
	t.Helper()
	heard = filepath.Join(openDir(t), "heard")
	launch := fmt.Sprintf("( videotestsrc is-live=true ! video/x-raw,width=320,height=180,framerate=%d/1 ! videoconvert ! "+
		"x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 ! video/x-h264,profile=main ! rtph264pay name=pay0 pt=96 )", FPS)
	return gstreamer(t, map[string]any{"launch": launch, "heard": heard}, o), heard
}

func gstreamer(t testing.TB, config map[string]any, o Options) *Server {
	t.Helper()
	s := &Server{}
	scheme := "rtsp"
	if o.TLS {
		scheme = "rtsps"
		config["tls"], s.Fingerprint = certificate(t)
	}
	if o.User != "" {
		config["user"], config["password"] = o.User, o.Password
	}
	if ledger, ok := config["ledger"].(string); ok {
		s.Ledger = ledger
	}
	argument, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	// Debian's own Python has the bindings; another one in PATH does not.
	python := "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import gi; gi.require_version('GstRtspServer', '1.0')").Run(); err != nil {
		t.Fatalf("GStreamer's RTSP server for %s is not installed (%v); `make test` installs what the journeys need", python, err)
	}
	s.process = start(t, exec.Command(python, "-c", gstScript, string(argument)))
	s.URL = fmt.Sprintf("%s://127.0.0.1:%s/cam", scheme, s.process.waitLine(t, "ready "))
	return s
}

// VLC serves a film by VLC, over and over, over UDP.
func VLC(t testing.TB, film *Film) *Server {
	t.Helper()
	port := freePort(t)
	cmd := exec.Command(tool(t, "vlc"), "-I", "dummy", "--no-media-library", "--loop", "--play-and-exit", film.Path,
		"--sout", fmt.Sprintf("#rtp{sdp=rtsp://127.0.0.1:%d/cam}", port), "--sout-all", "--sout-keep")
	home := openDir(t)
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_RUNTIME_DIR="+home)
	if os.Geteuid() == 0 {
		// VLC refuses to run as root.
		const nobody = 65534
		if err := os.Chown(home, nobody, nobody); err != nil {
			t.Fatal(err)
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	s := &Server{URL: fmt.Sprintf("rtsp://127.0.0.1:%d/cam", port), process: start(t, cmd)}
	s.process.waitPort(t, net.JoinHostPort("127.0.0.1", fmt.Sprint(port)))
	return s
}

// Stunnel puts TLS in front of a plain server.
func Stunnel(t testing.TB, plain *Server) *Server {
	t.Helper()
	port := freePort(t)
	s := &Server{Ledger: plain.Ledger}
	var pemFile string
	pemFile, s.Fingerprint = certificate(t)
	host := strings.TrimSuffix(strings.TrimPrefix(plain.URL, "rtsp://"), "/cam")
	config := filepath.Join(openDir(t), "stunnel.conf")
	text := fmt.Sprintf("foreground = yes\npid =\nsyslog = no\n[camera]\naccept = 127.0.0.1:%d\nconnect = %s\ncert = %s\n"+
		"sslVersionMin = TLSv1.3\n", port, host, pemFile)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.process = start(t, exec.Command(tool(t, "stunnel4"), config))
	s.process.waitPort(t, net.JoinHostPort("127.0.0.1", fmt.Sprint(port)))
	s.URL = fmt.Sprintf("rtsps://127.0.0.1:%d/cam", port)
	return s
}

// certificate makes a self-signed certificate, as cameras have, and returns a PEM file of it with its key, and the
// SHA-256 of its public key.
func certificate(t testing.TB) (file, fingerprint string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "camera"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		DNSNames: []string{"camera.local"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(spki)
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})...)
	file = filepath.Join(t.TempDir(), "camera.pem")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file, hex.EncodeToString(sum[:])
}
