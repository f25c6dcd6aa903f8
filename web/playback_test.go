package web

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"cardea/camera/agent"
	"cardea/camera/agent/pattern"
	"cardea/store/vault"
	"cardea/web/api"
	"cardea/web/caller"
)

// withCamera makes an owner with a vault through the console, signs in, and adds a virtual camera.
func (f *fixture) withCamera(edit ...func(*agent.Config)) (cookie string, camera api.Camera, identity *vault.Identity) {
	f.t.Helper()
	ctx := context.Background()
	// Made beforehand, because wrapping by passphrase is slow on purpose.
	text, err := os.ReadFile("../store/vault/testdata/x25519.identity")
	check(f.t, err)
	identity, err = vault.ParseIdentity(string(text))
	check(f.t, err)
	wrapped, err := os.ReadFile("../store/vault/testdata/x25519.wrapped.age")
	check(f.t, err)
	var e api.Enrolment
	check(f.t, f.console.Do(ctx, "POST", "/api/console/setup", map[string]any{
		"name": "Ona", "password": testPassword, "vault_type": "x25519", "recipient": identity.Recipient().String(), "wrapped": wrapped,
	}, &e))
	in := f.send("POST", "/api/session", "", map[string]string{"name": "Ona", "password": testPassword, "totp": totp(f.t, e.TOTPSecret, time.Now())})
	if in.status != 201 {
		f.t.Fatalf("sign in: %d %s", in.status, in.body)
	}
	cookie = in.cookie.Value

	source, err := agent.NewPattern(agent.PatternConfig{Config: pattern.Config{Width: 320, Height: 240, FPS: 10, GOP: time.Second, Name: "test", BitRate: 2_000_000}, Beep: true})
	check(f.t, err)
	config := agent.Config{Streams: []agent.Stream{{Path: "cam", Source: source}}}
	for _, e := range edit {
		e(&config)
	}
	a, err := agent.Open(config)
	check(f.t, err)
	run, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- a.Run(run) }()
	f.t.Cleanup(func() { stop(); check(f.t, <-done) })

	probe := f.send("POST", "/api/probe", cookie, map[string]string{"url": a.URL("cam")})
	var seen api.Probe
	probe.json(f.t, &seen)
	if probe.status != 200 || len(seen.Tracks) != 2 || seen.Tracks[0].Codec != "h264" || seen.Tracks[0].Width != 320 || len(seen.Picture) == 0 || seen.Trust != "plain" {
		f.t.Fatalf("probe: %d %.300s", probe.status, probe.body)
	}
	f.send("POST", "/api/cameras", cookie, map[string]string{"name": "Door", "url": a.URL("cam")}).json(f.t, &camera)
	return cookie, camera, identity
}

// eventually waits until fn is true; the deadline is only there to end a broken test.
func eventually(t *testing.T, what string, fn func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if fn() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

func TestClipData(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cookie, camera, identity := f.withCamera()
	var clips []api.Clip
	eventually(t, "an open clip with durable parts", func() bool {
		f.send("GET", "/api/clips?camera="+camera.ID, cookie, nil).json(t, &clips)
		return len(clips) == 1 && clips[0].Bytes > 100_000 && clips[0].Open
	})
	path := "/api/clips/" + clips[0].ID
	var detail api.ClipDetail
	f.send("GET", path, cookie, nil).json(t, &detail)
	if detail.Complete || detail.InitBytes == 0 || len(detail.Parts) == 0 || !strings.HasPrefix(detail.MIME, `video/mp4; codecs="avc1.`) || detail.SHA256 != nil {
		t.Errorf("detail %+v", detail)
	}
	if detail.Parts[0].Offset != int64(detail.InitBytes) || !detail.Parts[0].Key {
		t.Errorf("first part %+v", detail.Parts[0])
	}

	// An open clip grows, so whole and part are compared under the same ETag.
	whole := f.send("GET", path+"/data", cookie, nil)
	if whole.status != 200 || whole.header.Get("Cache-Control") != "no-store" || whole.header.Get("Accept-Ranges") != "bytes" {
		t.Fatalf("whole: %d %v", whole.status, whole.header)
	}
	ranged := func(spec string, edit ...func(*http.Request)) reply {
		return f.send("GET", path+"/data", cookie, nil, append(edit, func(r *http.Request) { r.Header.Set("Range", spec) })...)
	}
	part := ranged("bytes=1000-1999")
	if part.status != 206 || !bytes.Equal(part.body, whole.body[1000:2000]) || !strings.HasPrefix(part.header.Get("Content-Range"), "bytes 1000-1999/") {
		t.Errorf("range: %d %v %d bytes", part.status, part.header, len(part.body))
	}
	if out := ranged("bytes=99999999999-"); out.status != 416 || !strings.HasPrefix(out.header.Get("Content-Range"), "bytes */") {
		t.Errorf("outside: %d %v", out.status, out.header)
	}
	if stale := ranged("bytes=0-9", func(r *http.Request) { r.Header.Set("If-Range", `"other"`) }); stale.status != 200 {
		t.Errorf("If-Range of another state: %d", stale.status)
	}
	head := f.send("HEAD", path+"/data", cookie, nil)
	if head.status != 200 || len(head.body) != 0 || head.header.Get("Content-Length") == "" {
		t.Errorf("HEAD: %d %v", head.status, head.header)
	}

	// What came is age, and opens with the identity that the NVR never saw.
	plain, err := vault.OpenTorn(bytes.NewReader(whole.body), int64(len(whole.body)), identity)
	check(t, err)
	box := make([]byte, 8)
	_, err = plain.ReadAt(box, 0)
	check(t, err)
	if string(box[4:]) != "ftyp" {
		t.Errorf("plaintext begins with %q", box)
	}
	f.send("GET", path+"/data", "", nil).detail(t, 401)
	f.send("GET", "/api/clips/01JABCDEFGHJKMNPQRSTVWXYZ0/data", cookie, nil).detail(t, 404)
	f.send("GET", "/api/clips/nonsense/data", cookie, nil).detail(t, 422)

	metrics := f.send("GET", "/metrics", cookie, nil)
	if metrics.status != 200 || !strings.Contains(string(metrics.body), `cardea_cameras{phase="streaming"} 1`) {
		t.Errorf("metrics: %d %s", metrics.status, metrics.body)
	}
	now := time.Now().UTC()
	for query, want := range map[string]int{"&limit=1": 1, "&to=" + now.Add(-time.Hour).Format(time.RFC3339): 0} {
		f.send("GET", "/api/clips?camera="+camera.ID+query, cookie, nil).json(t, &clips)
		if len(clips) != want {
			t.Errorf("clips with %s: %d", query, len(clips))
		}
	}
	var line api.Timeline
	f.send("GET", "/api/timeline?camera="+camera.ID+"&from="+now.Add(-time.Hour).Format(time.RFC3339)+"&to="+now.Add(time.Hour).Format(time.RFC3339), cookie, nil).json(t, &line)
	if line.Step != 5 || len(line.Spans) != 1 || len(line.Buckets) == 0 {
		t.Errorf("timeline %+v", line)
	}
	var lanes api.Lanes
	f.send("GET", "/api/lanes?from="+now.Add(-time.Hour).Format(time.RFC3339)+"&to="+now.Add(time.Hour).Format(time.RFC3339), cookie, nil).json(t, &lanes)
	if len(lanes.Lanes) != 1 || lanes.Lanes[0].Camera != camera.ID || !reflect.DeepEqual(lanes.Lanes[0].Spans[0].Start, line.Spans[0].Start) || lanes.Zone == "" {
		t.Errorf("lanes %+v", lanes)
	}
	f.send("GET", "/api/lanes?from="+now.Format(time.RFC3339)+"&to="+now.Format(time.RFC3339), cookie, nil).detail(t, 422)
	for at, want := range map[time.Time]int{detail.Start: 1, now.Add(-time.Hour): 1, now.Add(time.Hour): 0} {
		var moment api.Moment
		f.send("GET", "/api/playback?camera="+camera.ID+"&at="+at.UTC().Format(time.RFC3339Nano), cookie, nil).json(t, &moment)
		if len(moment.Clips) != want || want == 1 && (moment.First == nil || moment.First.ID != detail.ID || len(moment.First.Parts) == 0) || want == 0 && moment.First != nil {
			t.Errorf("playback at %s: %+v", at, moment)
		}
	}
	f.send("GET", "/api/playback?camera="+camera.ID, cookie, nil).detail(t, 422)
}

// liveClient is a browser's end of the socket.
type liveClient struct {
	t    *testing.T
	conn *websocket.Conn
}

func (f *fixture) live(cookie string) (*liveClient, error) {
	header := http.Header{"Cookie": {api.SessionCookie + "=" + cookie}, "Origin": {strings.Replace(f.base, "http:", "https:", 1)}}
	conn, resp, err := websocket.DefaultDialer.Dial(strings.Replace(f.base, "http:", "ws:", 1)+"/api/live", header)
	if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
		resp.Body.Close()
	}
	return &liveClient{f.t, conn}, err
}

func (c *liveClient) say(m map[string]any) {
	c.t.Helper()
	check(c.t, c.conn.WriteJSON(m))
}

// next gives the next message: a notice, or a binary one with its header taken apart.
func (c *liveClient) next() (notice map[string]any, id uint32, kind byte, wall time.Time, body []byte, err error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		return nil, 0, 0, time.Time{}, nil, err
	}
	what, data, err := c.conn.ReadMessage()
	if err != nil || what == websocket.TextMessage {
		if err == nil {
			err = json.Unmarshal(data, &notice)
		}
		return notice, 0, 0, time.Time{}, nil, err
	}
	if len(data) < 13 {
		return nil, 0, 0, time.Time{}, nil, io.ErrUnexpectedEOF
	}
	return nil, binary.BigEndian.Uint32(data), data[4], time.UnixMicro(int64(binary.BigEndian.Uint64(data[5:]))), data[13:], nil
}

func TestLive(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cookie, camera, _ := f.withCamera()
	if _, err := f.live("nobody"); err == nil {
		t.Fatal("a stranger got a socket")
	}
	c, err := f.live(cookie)
	check(t, err)
	defer c.conn.Close()
	c.say(map[string]any{"type": "subscribe", "id": 7, "camera": camera.ID, "quality": "main"})
	var mime string
	inits, keys, parts := 0, 0, 0
	for parts < 5 {
		n, id, kind, wall, body, err := c.next()
		check(t, err)
		if n != nil {
			if n["type"] == "init" {
				mime, _ = n["mime"].(string)
			}
			if n["type"] == "error" {
				t.Fatalf("error: %v", n)
			}
			continue
		}
		if id != 7 || time.Since(wall).Abs() > time.Hour || len(body) < 8 {
			t.Fatalf("message id %d wall %v, %d bytes", id, wall, len(body))
		}
		switch kind {
		case 0:
			inits++
			if string(body[4:8]) != "ftyp" || mime == "" {
				t.Fatalf("init %q after mime %q", body[4:8], mime)
			}
		case 1:
			keys++
			parts++
		case 2:
			parts++
			if keys == 0 {
				t.Fatal("the first part does not start with a key frame")
			}
		}
		if kind != 0 && (inits == 0 || string(body[4:8]) != "moof") {
			t.Fatalf("part %q after %d init segments", body[4:8], inits)
		}
	}
	if !strings.HasPrefix(mime, `video/mp4; codecs="avc1`) {
		t.Errorf("mime %q", mime)
	}
	// What is asked wrongly is answered on the same socket.
	c.say(map[string]any{"type": "subscribe", "id": 8, "camera": "01JABCDEFGHJKMNPQRSTVWXYZ0"})
	for {
		n, _, _, _, _, err := c.next()
		check(t, err)
		if n["type"] == "error" && n["id"] == float64(8) {
			break
		}
	}
	// Signing out ends the socket.
	if out := f.send("DELETE", "/api/session", cookie, nil); out.status != 204 {
		t.Fatalf("sign out: %d", out.status)
	}
	for {
		if _, _, _, _, _, err := c.next(); err != nil {
			if !websocket.IsCloseError(err, websocket.ClosePolicyViolation) {
				t.Errorf("the socket ended with %v", err)
			}
			break
		}
	}
}

// TestLiveDropsWhoDoesNotRead: a client that takes nothing is cut off and holds nothing up.
// Attack case 56 of docs/attacks.md.
func TestLiveDropsWhoDoesNotRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cookie, camera, _ := f.withCamera()
	c, err := f.live(cookie)
	check(t, err)
	defer c.conn.Close()
	for id := range 60 { // so many that the buffers of the system are soon full
		c.say(map[string]any{"type": "subscribe", "id": id, "camera": camera.ID})
	}
	eventually(t, "an open socket", func() bool { return f.server.playback.Sockets() == 1 })
	eventually(t, "the end of a socket that nobody reads", func() bool { return f.server.playback.Sockets() == 0 })
}

// TestLiveRefusesGarbage is attack case 56 of docs/attacks.md.
func TestLiveRefusesGarbage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cookie := f.signIn()[caller.Viewer]
	for name, send := range map[string]func(*liveClient) error{
		"not JSON": func(c *liveClient) error { return c.conn.WriteMessage(websocket.TextMessage, []byte("{")) },
		"binary":   func(c *liveClient) error { return c.conn.WriteMessage(websocket.BinaryMessage, []byte("{}")) },
		"too long": func(c *liveClient) error { return c.conn.WriteMessage(websocket.TextMessage, make([]byte, 1<<20)) },
		"a flood": func(c *liveClient) error {
			for range 1000 {
				if err := c.conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"unsubscribe","id":1}`)); err != nil {
					return nil //nolint:nilerr // being cut off is what the test wants
				}
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := f.live(cookie)
			check(t, err)
			defer c.conn.Close()
			_ = send(c) // the server may be quicker
			for {
				if _, _, _, _, _, err := c.next(); err != nil {
					return
				}
			}
		})
	}
	// The number of sockets of one session is bounded.
	open := []*liveClient{}
	defer func() {
		for _, c := range open {
			c.conn.Close()
		}
	}()
	eventually(t, "a refusal", func() bool {
		c, err := f.live(cookie)
		if err != nil {
			return true
		}
		open = append(open, c)
		return len(open) > 100
	})
	if len(open) > 100 {
		t.Error("no end of sockets")
	}
}
