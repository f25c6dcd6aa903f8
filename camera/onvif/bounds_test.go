package onvif_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"cardea/camera/onvif"
	"cardea/camera/onvif/sim"
	"cardea/camera/rtsp"
)

// TestAttack12Services: whatever service it comes from, an answer that is too long, too deep, too slow or full of entities is refused and costs little.
func TestAttack12Services(t *testing.T) {
	t.Parallel()
	const head = `<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body>`
	stop := make(chan struct{})
	defer close(stop)
	answers := map[string]func(http.ResponseWriter){
		"bomb": func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, `<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><a>&b;</a>`)
		},
		"external entity": func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, `<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>`)
		},
		"10 MB": func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, head+strings.Repeat("<NotificationMessage/>", 500_000))
		},
		"deep": func(w http.ResponseWriter) { _, _ = io.WriteString(w, head+strings.Repeat("<a>", 100_000)) },
		"cut":  func(w http.ResponseWriter) { _, _ = io.WriteString(w, head+"<Pull") },
		"endless": func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, head)
			for {
				select {
				case <-stop:
					return
				case <-time.After(10 * time.Millisecond):
					if _, err := io.WriteString(w, " "); err != nil {
						return
					}
					w.(http.Flusher).Flush()
				}
			}
		},
	}
	for _, operation := range []string{"CreatePullPointSubscription", "PullMessages", "GetPresets", "GetImagingSettings", "GetSnapshotUri", "GetVideoEncoderConfigurations", "CreatePKCS10CSR"} {
		for name, answer := range answers {
			t.Run(operation+"/"+name, func(t *testing.T) {
				t.Parallel()
				keys, err := sim.NewKeystore(nil)
				if err != nil {
					t.Fatal(err)
				}
				d := device(t, sim.Config{User: account, Password: secret, Keystore: keys, Tamper: func(w http.ResponseWriter, asked string) bool {
					if asked != operation {
						return false
					}
					answer(w)
					return true
				}})
				within := 40 * time.Second // on a busy machine what is in order takes its time too
				if name == "endless" {
					within = 3 * time.Second
				}
				c, err := dial(t, d.URL(), func(cfg *onvif.Config) { cfg.Timeout = within })
				if err != nil {
					t.Fatal(err)
				}
				ctx := t.Context()
				s, err := c.Streams(ctx)
				if err != nil {
					t.Fatal(err)
				}
				switch operation {
				case "CreatePullPointSubscription":
					err = c.Watch(ctx, func() {}, func(onvif.Notification) { t.Error("a notification") }, nil)
				case "PullMessages":
					if name == "endless" {
						return // a pull may take its time: it is bounded by what it was given, which is longer than a test
					}
					err = c.Watch(ctx, func() {}, func(onvif.Notification) { t.Error("a notification") }, nil)
				case "GetPresets":
					_, err = c.Presets(ctx, s.Main.Token)
				case "GetImagingSettings":
					_, err = c.Imaging(ctx, s.Main.Source)
				case "GetSnapshotUri":
					_, err = c.Snapshot(ctx, s.Main)
				case "GetVideoEncoderConfigurations":
					err = c.SetCodec(ctx, s.Main, "H265")
				case "CreatePKCS10CSR":
					var e onvif.Enrolment
					e, err = c.Enrol(ctx, "x", "x", authority(t, time.Now), func(onvif.Enrolment, []byte) error { return nil })
					if undone := c.Unenrol(ctx, e); undone != nil {
						t.Errorf("undone: %v", undone)
					}
				}
				var refused onvif.ErrAnswer
				var late rtsp.ErrTimeout
				if !errors.As(err, &refused) && !errors.As(err, &late) {
					t.Errorf("%v", err)
				}
			})
		}
	}
}

// TestAnnounce: the simulated camera answers a probe for cameras, and nothing else.
func TestAnnounce(t *testing.T) {
	t.Parallel()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- sim.Announce(conn, "http://192.168.1.20/onvif/device_service") }()
	asker, err := net.Dial("udp4", conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer asker.Close()
	ask := func(packet string) string {
		if _, err := io.WriteString(asker, packet); err != nil {
			t.Fatal(err)
		}
		_ = asker.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		answer := make([]byte, 64<<10)
		n, _ := asker.Read(answer)
		return string(answer[:n])
	}
	probe := `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" xmlns:n="http://www.onvif.org/ver10/network/wsdl"><s:Header><a:MessageID>urn:uuid:1</a:MessageID></s:Header><s:Body><d:Probe><d:Types>%s</d:Types></d:Probe></s:Body></s:Envelope>`
	if got := ask(fmt.Sprintf(probe, "n:NetworkVideoTransmitter")); !strings.Contains(got, "http://192.168.1.20/onvif/device_service") || !strings.Contains(got, "<wsa:RelatesTo>urn:uuid:1<") {
		t.Errorf("%q", got)
	}
	for _, other := range []string{fmt.Sprintf(probe, "p:Printer"), "garbage", "<a/>"} {
		if got := ask(other); got != "" {
			t.Errorf("%q is answered by %q", other, got)
		}
	}
	conn.Close()
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v", err)
	}
}
