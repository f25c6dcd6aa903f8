package nvr

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cardea/auth/ca"
	"cardea/camera/agent"
	"cardea/camera/agent/pattern"
	"cardea/camera/pairing"
	"cardea/store"
)

// paired is a camera agent that can be paired.
type pairedAgent struct {
	dir, addr string
	camera    *pairing.Camera
	stop      func()

	mu   sync.Mutex
	code pairing.Code
}

// startAgent starts one on addr, "" for a free port. It has a small stream too.
func startAgent(t *testing.T, dir, addr string) *pairedAgent {
	t.Helper()
	if addr == "" {
		addr = "127.0.0.2:0" // where nobody takes the port while the agent is stopped
	}
	src, err := agent.NewPattern(agent.PatternConfig{Config: pattern.Config{Width: 160, Height: 96, FPS: 10, GOP: 10}})
	if err != nil {
		t.Fatal(err)
	}
	serving := agent.Config{Streams: []agent.Stream{{Path: "camera", Source: src}}}
	if err := serving.AddSmall("test:Garden"); err != nil {
		t.Fatal(err)
	}
	return serveAgent(t, dir, addr, serving)
}

// serveAgent pairs and serves on addr until it is stopped, by the test's end at the latest.
func serveAgent(t *testing.T, dir, addr string, serving agent.Config) *pairedAgent {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	a := &pairedAgent{dir: dir, addr: ln.Addr().String()}
	a.camera, err = pairing.OpenCamera(pairing.CameraConfig{Dir: dir, Name: "Garden", Model: "test", OnCode: func(c pairing.Code) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.code = c
	}}, ln)
	if err != nil {
		t.Fatal(err)
	}
	serving.Listener = a.camera.Media()
	server, err := agent.Open(serving)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, run := range []func(context.Context) error{a.camera.Run, server.Run} {
		wg.Go(func() {
			if err := run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	a.stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(a.stop)
	return a
}

func (a *pairedAgent) digits(t *testing.T) string {
	t.Helper()
	var text string
	eventually(t, "a code", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		if text = a.code.Digits; text != "" {
			text = a.code.Text()
		}
		return text != ""
	})
	return text
}

// TestPairing is the life of a paired camera: paired, recorded, revoked while it streams, paired again as the same one.
func TestPairing(t *testing.T) {
	t.Parallel()
	a := startAgent(t, t.TempDir(), "")
	b := openBox(t, t.TempDir())
	b.makeVault()
	ctx := t.Context()

	began := time.Now()
	st, err := b.Pair(ctx, anna, PairRequest{Address: a.addr, Code: a.digits(t)})
	if err != nil {
		t.Fatal(err)
	}
	id := st.Camera.ID
	if st.Camera.Trust != store.TrustPaired || st.Camera.Name != "Garden" || st.Pairing == nil || st.Pairing.Device == "" || len(st.Camera.Pin) != 32 {
		t.Errorf("%+v", st)
	}
	eventually(t, "recorded", func() bool { return b.camera(id).Recording.Active })
	t.Logf("%v from the code to the first recorded picture", time.Since(began).Round(time.Millisecond))
	eventually(t, "a clip", func() bool { return len(b.clips(id)) > 1 })
	eventually(t, "previews of the sub-stream that the camera told of, over mutual TLS", func() bool {
		all, err := b.Previews(ctx, id, time.Time{}, time.Time{}, 1)
		return err == nil && len(all) > 0 && b.camera(id).Sub.URL == "rtsps://"+a.addr+"/camera-sub"
	})

	if _, err := b.Pair(ctx, anna, PairRequest{Address: a.addr, Code: "1234 5678"}); store.ErrorCode(err) != store.Conflict {
		t.Errorf("paired twice: %v", err)
	}
	plain := "rtsp://127.0.0.1/x"
	print := strings.Repeat("00", 32)
	for _, c := range []CameraChange{{URL: &plain}, {Fingerprint: &print}} {
		if _, err := b.ChangeCamera(ctx, anna, id, c); store.ErrorCode(err) != store.Invalid {
			t.Errorf("downgraded: %v", err)
		}
	}

	// TestAttack06: the open stream ends within two seconds, and no new one begins.
	revoked := time.Now()
	if err := b.RevokeCamera(ctx, anna, id); err != nil {
		t.Fatal(err)
	}
	eventually(t, "doubted", func() bool {
		st := b.camera(id)
		return st.Connection.Phase == "doubted" && !st.Recording.Active && st.Pairing.Revoked && strings.Contains(st.Connection.Detail, "revoked")
	})
	t.Logf("%v from revocation to the end of the stream", time.Since(revoked).Round(time.Millisecond))
	if err := b.RevokeCamera(ctx, anna, id); store.ErrorCode(err) != store.NotFound {
		t.Errorf("revoked twice: %v", err)
	}

	eventually(t, "that the camera knows", a.camera.Revoked)

	// It stays so until a person resets it; then it is the same camera again.
	if _, err := b.Pair(ctx, anna, PairRequest{Address: a.addr, Code: "1234 5678", Camera: id}); store.ErrorCode(err) != store.Conflict {
		t.Errorf("a camera that is not reset: %v", err)
	}
	a.stop()
	if err := pairing.Reset(a.dir); err != nil {
		t.Fatal(err)
	}
	a = startAgent(t, a.dir, a.addr)
	again, err := b.Pair(ctx, anna, PairRequest{Address: a.addr, Code: a.digits(t), Camera: id})
	if err != nil {
		t.Fatal(err)
	}
	if again.Camera.ID != id || again.Pairing.Device == st.Pairing.Device {
		t.Errorf("%+v", again)
	}
	before := len(b.clips(id))
	eventually(t, "recorded again", func() bool { return b.camera(id).Recording.Active && len(b.clips(id)) > before })
	eventually(t, "events", func() bool { return b.kinds(id)["camera.identity"] > 0 })
}

// kinds counts a camera's events.
func (b *box) kinds(id store.ID) map[string]int {
	b.t.Helper()
	all, err := b.Events(b.t.Context(), store.EventQuery{Camera: id})
	if err != nil {
		b.t.Fatal(err)
	}
	out := map[string]int{}
	for _, e := range all {
		out[e.Kind]++
	}
	return out
}

// TestAttack22Reset: a paired camera that is another one all of a sudden is refused, people are told, and nothing is taken on trust.
func TestAttack22Reset(t *testing.T) {
	t.Parallel()
	a := startAgent(t, t.TempDir(), "")
	b := openBox(t, t.TempDir())
	st, err := b.Pair(t.Context(), anna, PairRequest{Address: a.addr, Code: a.digits(t), Name: "Door"})
	if err != nil {
		t.Fatal(err)
	}
	id := st.Camera.ID
	eventually(t, "streaming", func() bool { return b.camera(id).Connection.Phase == "streaming" })
	a.stop()
	if err := pairing.Reset(a.dir); err != nil {
		t.Fatal(err)
	}
	a = startAgent(t, a.dir, a.addr)
	eventually(t, "isolated", func() bool { return b.camera(id).Connection.Phase == isolated })
	eventually(t, "an event", func() bool { return b.kinds(id)["camera.identity"] == 1 })
	if _, err := b.Pair(t.Context(), anna, PairRequest{Address: a.addr, Code: a.digits(t)}); store.ErrorCode(err) != store.Conflict {
		t.Errorf("it takes its old place silently: %v", err)
	}
}

// TestPairingFails: what does not work leaves nothing but an event, and says why.
func TestPairingFails(t *testing.T) {
	t.Parallel()
	a := startAgent(t, t.TempDir(), "")
	b := openBox(t, t.TempDir())
	digits := a.digits(t)
	wrong := "0000 0000"
	if digits == wrong {
		wrong = "0000 0001"
	}
	for _, c := range []struct {
		req  PairRequest
		code store.Code
		says string
	}{
		{PairRequest{Address: a.addr, Code: wrong}, store.Invalid, "read it again"},
		{PairRequest{Address: a.addr, Code: "12"}, store.Invalid, "eight digits"},
		{PairRequest{Address: "", Code: digits}, store.Invalid, "looks like"},
		{PairRequest{Address: "169.254.169.254", Code: digits}, store.Invalid, "no address"},
		{PairRequest{Address: "127.0.0.1:1", Code: digits}, store.Invalid, "nothing answers"},
		{PairRequest{Address: a.addr, Code: digits, Camera: store.ID{1}}, store.NotFound, "no camera"},
	} {
		_, err := b.Pair(t.Context(), anna, c.req)
		if store.ErrorCode(err) != c.code || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v", c.req, err)
		}
	}
	if all, err := b.db.Devices(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("left over: %+v %v", all, err)
	}
	if cameras, err := b.Cameras(t.Context()); err != nil || len(cameras) != 0 {
		t.Errorf("left over: %+v %v", cameras, err)
	}
	eventually(t, "an event", func() bool {
		all, err := b.Events(t.Context(), store.EventQuery{Kind: "camera.identity"})
		return err == nil && len(all) == 1
	})
}

// TestAttack17Box: a box that was killed at any point of a pairing drops it, or finishes it when the camera has heard of it.
func TestAttack17Box(t *testing.T) {
	t.Parallel()
	for _, state := range []store.DeviceState{store.DevicePending, store.DeviceActivating} {
		t.Run(string(state), func(t *testing.T) {
			a := startAgent(t, t.TempDir(), "")
			b := openBox(t, t.TempDir())
			b.pairing.Lock() // as Pair does
			id, err := b.db.NewID(time.Now())
			if err != nil {
				t.Fatal(err)
			}
			row := store.Device{ID: id, Address: a.addr, Name: "Garden"}
			_, err = b.pairer.Pair(t.Context(), a.addr, a.digits(t), id.String(), func(d pairing.Device) error {
				row.SPKI, row.Leaf, row.Bundle = d.SPKI[:], d.Leaf, d.Bundle
				return b.db.AddDevice(t.Context(), row)
			})
			if err != nil {
				t.Fatal(err)
			}
			if state == store.DeviceActivating {
				if err := b.db.BeginActivation(t.Context(), id); err != nil {
					t.Fatal(err)
				}
			}
			b.pairing.Unlock()
			b.lookAtDevices() // as the next start does
			if state == store.DevicePending {
				eventually(t, "dropped", func() bool {
					all, err := b.db.Devices(t.Context())
					return err == nil && len(all) == 0
				})
				return
			}
			eventually(t, "finished", func() bool {
				all, err := b.Cameras(t.Context())
				return err == nil && len(all) == 1 && all[0].Connection.Phase == "streaming" && a.camera.Paired()
			})
		})
	}
}

// TestAttack17Silent: a camera that falls silent after it took its certificate is not forgotten while it may believe that it is paired.
func TestAttack17Silent(t *testing.T) {
	t.Parallel()
	a := startAgent(t, t.TempDir(), "")
	b := openBox(t, t.TempDir())
	b.pairing.Lock() // as Pair does
	id, err := b.db.NewID(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	row := store.Device{ID: id, Address: a.addr, Name: "Garden"}
	d, err := b.pairer.Pair(t.Context(), a.addr, a.digits(t), id.String(), func(d pairing.Device) error {
		row.SPKI, row.Leaf, row.Bundle = d.SPKI[:], d.Leaf, d.Bundle
		return b.db.AddDevice(t.Context(), row)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.db.BeginActivation(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if _, err := b.pairer.Sync(t.Context(), a.addr, d, true); err != nil { // the camera hears it, the answer is lost
		t.Fatal(err)
	}
	a.stop()
	b.pairing.Unlock()
	eventually(t, "that it is asked after", func() bool {
		open, err := b.resumePairings(t.Context())
		return err == nil && open
	})
	startAgent(t, a.dir, a.addr)
	b.lookAtDevices()
	eventually(t, "finished", func() bool {
		all, err := b.Cameras(t.Context())
		return err == nil && len(all) == 1 && all[0].Connection.Phase == "streaming"
	})
}

// TestRollAuthority: the authority is replaced while a camera streams; nobody has to do anything.
func TestRollAuthority(t *testing.T) {
	t.Parallel()
	a := startAgent(t, t.TempDir(), "")
	b := openBox(t, t.TempDir())
	st, err := b.Pair(t.Context(), anna, PairRequest{Address: a.addr, Code: a.digits(t)})
	if err != nil {
		t.Fatal(err)
	}
	before, err := b.Authority()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.RollAuthority(t.Context(), anna, false); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a new authority", func() bool {
		now, err := b.Authority()
		return err == nil && now.Stage == "steady" && string(now.Roots) != string(before.Roots)
	})
	eventually(t, "streaming", func() bool { return b.camera(st.Camera.ID).Connection.Phase == "streaming" })
	if b.camera(st.Camera.ID).Connection.Reconnects != 0 {
		t.Error("the stream was interrupted")
	}
	a.stop()
	eventually(t, "gone", func() bool { return b.camera(st.Camera.ID).Connection.Phase == "waiting" })
	if _, err := b.RollAuthority(t.Context(), anna, false); err != nil {
		t.Fatal(err)
	}
	if _, err := b.RollAuthority(t.Context(), anna, false); store.ErrorCode(err) != store.Conflict {
		t.Errorf("it does not wait for a camera that is off: %v", err)
	}
	now, err := b.Authority()
	if err != nil || len(now.Waiting) != 1 || now.Stage != "announced" {
		t.Errorf("%+v %v", now, err)
	}
	for range 2 {
		if _, err := b.RollAuthority(t.Context(), anna, true); err != nil {
			t.Fatal(err)
		}
	}
	startAgent(t, a.dir, a.addr)
	eventually(t, "isolated", func() bool { return b.camera(st.Camera.ID).Connection.Phase == isolated })
}

func testAuthority(t *testing.T, dir string) DeviceAuthority {
	t.Helper()
	d, err := ca.OpenDevice(ca.Config{Dir: filepath.Join(dir, "keys")})
	if err != nil {
		t.Fatal(err)
	}
	return d
}
