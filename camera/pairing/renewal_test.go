package pairing_test

import (
	"context"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cardea/camera/pairing"
)

func TestRenewal(t *testing.T) {
	t.Parallel()
	clk := newClock(today)
	ctx := context.Background()
	c, b := startCamera(t, t.TempDir(), clk), newBox(t, clk)
	d := b.paired(t, c, "01A")
	leaf := func(d pairing.Device) *x509.Certificate {
		l, err := x509.ParseCertificate(d.Leaf)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	first := leaf(d)
	for day := range 18 {
		r, err := b.Sync(ctx, c.addr, d, false)
		if err != nil || r.Renewed {
			t.Fatalf("day %d: %+v %v", day, r, err)
		}
		clk.add(24 * time.Hour)
	}
	clk.add(4 * 24 * time.Hour)
	// TestAttack19: two at once are one key.
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if _, err := b.Sync(ctx, c.addr, d, false); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	r, err := b.Sync(ctx, c.addr, d, false)
	if err != nil {
		t.Fatal(err)
	}
	now := leaf(r.Device)
	if !now.NotAfter.After(first.NotAfter) || pairing.SPKI(now) != d.SPKI || now.SerialNumber.Cmp(first.SerialNumber) == 0 {
		t.Error("the leaf was not renewed with the same key")
	}
	c.stop()
	c = startCamera(t, c.dir, clk)
	if err := b.media(c, r.Device); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

// TestAttack04Expired: a camera that was off for a month gets no media connection until it has renewed, and renews with its
// own key only; after a quarter it is not known any more.
func TestAttack04Expired(t *testing.T) {
	t.Parallel()
	clk := newClock(today)
	ctx := context.Background()
	c, b := startCamera(t, t.TempDir(), clk), newBox(t, clk)
	d := b.paired(t, c, "01A")
	c.stop()
	clk.add(45 * 24 * time.Hour)
	c = startCamera(t, c.dir, clk)
	var who pairing.ErrIdentity
	if err := b.media(c, d); !errors.As(err, &who) {
		t.Fatalf("media with a leaf that has run out: %v", err)
	}
	c = startCamera(t, c.dir, clk)
	stranger := d
	stranger.SPKI[0]++
	if _, err := b.Sync(ctx, c.addr, stranger, false); !errors.As(err, &who) {
		t.Errorf("renewal with another key: %v", err)
	}
	r, err := b.Sync(ctx, c.addr, d, false)
	if err != nil || !r.Renewed {
		t.Fatalf("%+v %v", r, err)
	}
	if err := b.media(c, r.Device); err != nil {
		t.Error(err)
	}
	clk.add(150 * 24 * time.Hour)
	if _, err := b.Sync(ctx, c.addr, r.Device, false); !errors.As(err, &who) {
		t.Errorf("renewal after months: %v", err)
	}
}

// TestAttack20Rollover: the authority changes while a camera is on, and while one is off.
func TestAttack20Rollover(t *testing.T) {
	t.Parallel()
	clk := newClock(today)
	ctx := context.Background()
	b := newBox(t, clk)
	on, off, gone := startCamera(t, t.TempDir(), clk), startCamera(t, t.TempDir(), clk), startCamera(t, t.TempDir(), clk)
	d, e, f := b.paired(t, on, "01A"), b.paired(t, off, "01B"), b.paired(t, gone, "01C")
	off.stop()
	gone.stop()
	sync := func(c *camera, d *pairing.Device) pairing.Result {
		t.Helper()
		r, err := b.Sync(ctx, c.addr, *d, false)
		if err != nil {
			t.Fatal(err)
		}
		*d = r.Device
		return r
	}
	if err := b.ca.Announce(); err != nil {
		t.Fatal(err)
	}
	version, _ := b.ca.Bundle()
	if r := sync(on, &d); d.Bundle != version || r.Renewed {
		t.Errorf("%+v", r)
	}
	if err := b.ca.Advance(); err != nil {
		t.Fatal(err)
	}
	if r := sync(on, &d); !r.Renewed {
		t.Error("no leaf of the new authority")
	}
	off = startCamera(t, off.dir, clk) // it comes back in the overlap and has heard nothing
	if r := sync(off, &e); e.Bundle != version || !r.Renewed {
		t.Errorf("in the overlap: %+v", r)
	}
	if err := b.ca.Finish(); err != nil {
		t.Fatal(err)
	}
	sync(on, &d)
	sync(off, &e)
	if err := b.media(on, d); err != nil {
		t.Error(err)
	}
	gone = startCamera(t, gone.dir, clk)
	if _, err := b.Sync(ctx, gone.addr, f, false); err == nil {
		t.Error("a camera of the old authority is still taken")
	}
	data, err := os.ReadFile(filepath.Join(on.dir, pairing.StateFile))
	if err != nil || strings.Count(string(data), "MII") > 3 {
		t.Error("the camera keeps the old authority", err)
	}
}

// TestAttack21Clocks: cameras and boxes in 1970 and 2099 pair, renew and stream.
func TestAttack21Clocks(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]time.Time{
		"1970": time.Date(1970, 1, 1, 0, 1, 0, 0, time.UTC),
		"2099": time.Date(2099, 1, 1, 0, 1, 0, 0, time.UTC),
	} {
		t.Run("camera in "+name, func(t *testing.T) {
			own, right := newClock(at), newClock(today)
			c, b := startCamera(t, t.TempDir(), own), newBox(t, right)
			d := b.paired(t, c, "01A")
			if got := c.Now(); !got.Equal(today) {
				t.Errorf("the camera thinks that it is %v", got)
			}
			if err := b.media(c, d); err != nil {
				t.Error(err)
			}
			c.stop()
			right.add(40 * 24 * time.Hour)
			c = startCamera(t, c.dir, newClock(at.Add(time.Hour))) // no clock of its own, off for a month
			r, err := b.Sync(context.Background(), c.addr, d, false)
			if err != nil || !r.Renewed {
				t.Fatalf("%+v %v", r, err)
			}
			if err := b.media(c, r.Device); err != nil {
				t.Error(err)
			}
		})
		t.Run("box in "+name, func(t *testing.T) {
			box, own := newClock(at), newClock(today)
			if name == "1970" {
				box = newClock(today.AddDate(0, -2, 0)) // the clock floor: when the program was built
			}
			c, b := startCamera(t, t.TempDir(), own), newBox(t, box)
			d := b.paired(t, c, "01A")
			box.mu.Lock()
			box.at = today // set right
			box.mu.Unlock()
			r, err := b.Sync(context.Background(), c.addr, d, false)
			if err != nil || !r.Renewed {
				t.Fatalf("%+v %v", r, err)
			}
			if err := b.media(c, r.Device); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestAttack22FactoryReset: a camera that was reset is another one, and says so before anything is sent.
func TestAttack22FactoryReset(t *testing.T) {
	t.Parallel()
	clk := newClock(today)
	c, b := startCamera(t, t.TempDir(), clk), newBox(t, clk)
	d := b.paired(t, c, "01A")
	c.stop()
	if err := pairing.Reset(c.dir); err != nil {
		t.Fatal(err)
	}
	c = startCamera(t, c.dir, clk)
	var who pairing.ErrIdentity
	if _, err := b.Sync(context.Background(), c.addr, d, false); !errors.As(err, &who) {
		t.Errorf("%v", err)
	}
	again := b.paired(t, c, "01B")
	if again.SPKI == d.SPKI {
		t.Error("the key survived the reset")
	}
	if _, err := b.Sync(context.Background(), c.addr, d, false); !errors.As(err, &who) {
		t.Errorf("the old pairing still works: %v", err)
	}
}
