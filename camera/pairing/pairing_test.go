package pairing_test

import (
	"context"
	"crypto"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cardea/auth/ca"
	"cardea/camera/pairing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is one that a test sets. It stands still otherwise.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock(at time.Time) *clock { return &clock{at: at} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

var today = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// camera is one at work, with what it showed and reported.
type camera struct {
	*pairing.Camera
	dir   string
	addr  string
	clock *clock
	stop  func()

	mu     sync.Mutex
	alerts []string
	now    pairing.Code
}

func startCamera(t *testing.T, dir string, clock *clock) *camera {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &camera{dir: dir, addr: ln.Addr().String(), clock: clock}
	c.Camera, err = pairing.OpenCamera(pairing.CameraConfig{
		Dir: dir, Name: "Door", Model: "test", Now: clock.Now,
		OnCode: func(code pairing.Code) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.now = code
		},
		OnAlert: func(s string) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.alerts = append(c.alerts, s)
		},
	}, ln)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	c.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(c.stop)
	return c
}

// code waits for one that is not the one given.
func (c *camera) code(t *testing.T, not string) pairing.Code {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		c.mu.Lock()
		code := c.now
		c.mu.Unlock()
		if code.Digits != "" && code.Digits != not {
			return code
		}
	}
	t.Fatal("the camera shows no code")
	return pairing.Code{}
}

func (c *camera) alerted() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.alerts)
}

func (c *camera) remembers(t *testing.T) bool {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(c.dir, pairing.StateFile))
	if errors.Is(err, os.ErrNotExist) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(data), `"device"`)
}

// box is an NVR.
type box struct {
	pairing.NVR
	ca    *ca.Device
	clock *clock
}

func newBox(t *testing.T, clock *clock) *box {
	t.Helper()
	d, err := ca.OpenDevice(ca.Config{Dir: t.TempDir(), Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	return &box{NVR: pairing.NVR{Issuer: d, Now: clock.Now}, ca: d, clock: clock}
}

func fine(pairing.Device) error { return nil }

// paired gives a camera that belongs to the box.
func (b *box) paired(t *testing.T, c *camera, id string) pairing.Device {
	t.Helper()
	ctx := context.Background()
	d, err := b.Pair(ctx, c.addr, c.code(t, "").Digits, id, fine)
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.Sync(ctx, c.addr, d, true)
	if err != nil || !r.Active {
		t.Fatalf("activate: %v %v", r.Active, err)
	}
	return r.Device
}

// media opens a connection for RTSP and says a word, which the camera must hear.
func (b *box) media(c *camera, d pairing.Device) error {
	heard := make(chan error, 1)
	quit := make(chan struct{})
	go func() {
		type result struct {
			conn net.Conn
			err  error
		}
		got := make(chan result, 1)
		go func() {
			conn, err := c.Media().Accept()
			got <- result{conn, err}
		}()
		select {
		case r := <-got:
			if r.err != nil {
				heard <- r.err
				return
			}
			defer r.conn.Close()
			_, err := io.Copy(r.conn, io.LimitReader(r.conn, 5))
			heard <- err
		case <-quit:
			c.stop() // lets Accept go
			<-got
			heard <- errors.New("the camera took no connection")
		}
	}()
	conn, err := tls.Dial("tcp", c.addr, b.TLS(d, false))
	if err == nil {
		defer conn.Close()
		_, err = conn.Write([]byte("HELLO"))
		if err == nil {
			_, err = io.ReadFull(conn, make([]byte, 5))
		}
	}
	if err != nil {
		close(quit)
		<-heard
		return err
	}
	return <-heard
}

func TestPair(t *testing.T) {
	t.Parallel()
	for _, form := range []string{"digits", "token", "scanned"} {
		t.Run(form, func(t *testing.T) {
			clk := newClock(today)
			c, b := startCamera(t, t.TempDir(), clk), newBox(t, clk)
			code := c.code(t, "")
			address, secret := c.addr, code.Text()
			switch form {
			case "token":
				secret = strings.ToLower(code.Token)
			case "scanned":
				address, secret = "cardea-pair://"+c.addr+"/"+code.Token, ""
			}
			host, secret, err := pairing.ParseTarget(address, secret)
			if err != nil {
				t.Fatal(err)
			}
			called := false
			d, err := b.Pair(context.Background(), host, secret, "01A", func(d pairing.Device) error {
				called = true
				if c.remembers(t) {
					t.Error("the camera keeps something before the NVR does")
				}
				return nil
			})
			if err != nil || !called {
				t.Fatal(called, err)
			}
			if d.Name != "Door" || d.Model != "test" || d.ID != "01A" || c.Paired() {
				t.Errorf("%+v", d)
			}
			if err := b.media(c, d); err == nil {
				t.Fatal("media before activation")
			}
			c = startCamera(t, c.dir, clk) // the attempt above stopped it; what is pending survives a restart
			r, err := b.Sync(context.Background(), c.addr, d, true)
			if err != nil || !r.Active || r.Renewed || !c.Paired() {
				t.Fatalf("%+v %v", r, err)
			}
			if err := b.media(c, r.Device); err != nil {
				t.Error(err)
			}
			if info, err := os.Stat(filepath.Join(c.dir, pairing.StateFile)); err != nil || info.Mode().Perm() != 0o600 {
				t.Error("others can read the key", err)
			}
			if _, err := b.Pair(context.Background(), c.addr, code.Digits, "01B", fine); !errors.Is(err, pairing.ErrPaired) {
				t.Errorf("a paired camera pairs again: %v", err)
			}
		})
	}
}

func TestParseTarget(t *testing.T) {
	t.Parallel()
	for _, good := range [][4]string{
		{"192.168.1.2", "1234 5678", "192.168.1.2:8322", "1234 5678"},
		{"rtsps://cam.local:99/x", "12345678", "cam.local:99", "12345678"},
		{"fe80::1", "12345678", "[fe80::1]:8322", "12345678"},
		{"[fe80::1]", "12345678", "[fe80::1]:8322", "12345678"},
		{"10.0.0.9:1", "cardea-pair://10.0.0.1:8322/ABCDEFGHIJKLMNOPQRSTUVWXYZ", "10.0.0.9:1", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"},
	} {
		host, code, err := pairing.ParseTarget(good[0], good[1])
		if err != nil || host != good[2] || code != good[3] {
			t.Errorf("%v: %q %q %v", good, host, code, err)
		}
	}
	for _, bad := range [][2]string{{"", "12345678"}, {"cam", "1234567"}, {"cam", "123456789"}, {"a b", "12345678"}, {"u@h", "12345678"}, {"cam", ""}} {
		if _, _, err := pairing.ParseTarget(bad[0], bad[1]); err == nil {
			t.Errorf("%v is accepted", bad)
		}
	}
}

// TestUndo: a certificate that nobody activates is gone after a minute, also over a restart.
func TestUndo(t *testing.T) {
	t.Parallel()
	clk := newClock(today)
	c, b := startCamera(t, t.TempDir(), clk), newBox(t, clk)
	first := c.code(t, "")
	d, err := b.Pair(context.Background(), c.addr, first.Digits, "01A", fine)
	if err != nil {
		t.Fatal(err)
	}
	c.stop()
	clk.add(pairing.Undo)
	c = startCamera(t, c.dir, clk)
	c.code(t, first.Digits)
	if c.remembers(t) || c.Paired() {
		t.Error("half a pairing is left")
	}
	var who pairing.ErrIdentity
	if _, err := b.Sync(context.Background(), c.addr, d, true); !errors.As(err, &who) {
		t.Errorf("a camera that forgot is taken for the one that it was: %v", err)
	}
}

// TestAttack13SpentCode: a code is of no use after success, after its time, and at another camera.
func TestAttack13SpentCode(t *testing.T) {
	t.Parallel()
	clk := newClock(today)
	ctx := context.Background()
	c, b := startCamera(t, t.TempDir(), clk), newBox(t, clk)
	code := c.code(t, "")
	if _, err := b.Pair(ctx, c.addr, code.Digits, "01A", fine); err != nil {
		t.Fatal(err)
	}
	clk.add(pairing.Undo) // not activated: the camera is new again, the code stays spent
	next := c.code(t, code.Digits)
	if _, err := b.Pair(ctx, c.addr, code.Digits, "01B", fine); !errors.Is(err, pairing.ErrCode) {
		t.Errorf("a spent code: %v", err)
	}
	clk.add(pairing.CodeLife)
	later := c.code(t, next.Digits)
	if _, err := b.Pair(ctx, c.addr, next.Digits, "01C", fine); !errors.Is(err, pairing.ErrCode) {
		t.Errorf("a code that has run out: %v", err)
	}
	other := startCamera(t, t.TempDir(), clk)
	other.code(t, "")
	if _, err := b.Pair(ctx, other.addr, later.Digits, "01D", fine); !errors.Is(err, pairing.ErrCode) {
		t.Errorf("the code of another camera: %v", err)
	}
	waitUntil(t, func() bool { return c.alerted() == 2 && other.alerted() == 1 })
	if c.remembers(t) || other.remembers(t) {
		t.Error("a failed attempt left a trace")
	}
}

// TestAttack14Guessing: five guesses, no delay for the first three, and parallel ones gain nothing.
func TestAttack14Guessing(t *testing.T) {
	t.Parallel()
	clk := newClock(today)
	ctx := context.Background()
	c, b := startCamera(t, t.TempDir(), clk), newBox(t, clk)
	code := c.code(t, "")
	wrong := "00000000"
	if code.Digits == wrong {
		wrong = "00000001"
	}
	for i := range 3 {
		if _, err := b.Pair(ctx, c.addr, wrong, "x", fine); !errors.Is(err, pairing.ErrCode) {
			t.Fatalf("guess %d: %v", i+1, err)
		}
	}
	if _, err := b.Pair(ctx, c.addr, wrong, "x", fine); !errors.Is(err, pairing.ErrBusy) {
		t.Errorf("the fourth at once: %v", err)
	}
	clk.add(10 * time.Second)
	if _, err := b.Pair(ctx, c.addr, wrong, "x", fine); !errors.Is(err, pairing.ErrCode) {
		t.Errorf("the fourth: %v", err)
	}
	clk.add(10 * time.Second)
	if _, err := b.Pair(ctx, c.addr, wrong, "x", fine); !errors.Is(err, pairing.ErrCode) {
		t.Errorf("the fifth: %v", err)
	}
	clk.add(time.Minute)
	fresh := c.code(t, code.Digits)
	waitUntil(t, func() bool { return c.alerted() == 5 })
	if _, err := b.Pair(ctx, c.addr, code.Digits, "x", fine); !errors.Is(err, pairing.ErrCode) {
		t.Errorf("the right code after five guesses: %v", err)
	}
	clk.add(time.Minute)
	if _, err := b.Pair(ctx, c.addr, fresh.Digits, "01A", fine); err != nil {
		t.Errorf("the owner is locked out: %v", err)
	}

	many := startCamera(t, t.TempDir(), clk)
	code = many.code(t, "")
	var answered sync.Map
	var wg sync.WaitGroup
	for i := range 30 { // as many as the machine of a test does in a moment
		wg.Go(func() {
			_, err := b.Pair(ctx, many.addr, wrong, "x", fine)
			answered.Store(i, err)
		})
	}
	wg.Wait()
	judged := 0
	answered.Range(func(_, err any) bool {
		if errors.Is(err.(error), pairing.ErrCode) {
			judged++
		}
		return true
	})
	if judged > pairing.CodeTries {
		t.Errorf("%d of the parallel guesses were judged", judged)
	}
}

func TestDamagedState(t *testing.T) {
	t.Parallel()
	clk := newClock(today)
	c, b := startCamera(t, t.TempDir(), clk), newBox(t, clk)
	b.paired(t, c, "01A")
	c.stop()
	path := filepath.Join(c.dir, pairing.StateFile)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "{}", string(good[:len(good)/2]), strings.Replace(string(good), "01A", "01Z", 1)} {
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pairing.OpenCamera(pairing.CameraConfig{Dir: c.dir}, ln); err == nil || !strings.Contains(err.Error(), "--reset") {
			t.Errorf("%.20q: %v", bad, err)
		}
		ln.Close()
	}
}

// brokenKeys is a TPM that is not there.
type brokenKeys struct{ pairing.FileKeys }

func (brokenKeys) New() (crypto.Signer, []byte, error) { return nil, nil, errors.New("no TPM") }

// TestNoKey: a camera that cannot make a key ends with the reason.
func TestNoKey(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := pairing.OpenCamera(pairing.CameraConfig{Dir: t.TempDir(), Keys: brokenKeys{}}, ln)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := c.Run(ctx); err == nil || !strings.Contains(err.Error(), "no TPM") {
		t.Errorf("%v", err)
	}
}
