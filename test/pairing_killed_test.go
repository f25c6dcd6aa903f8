package test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// wireTap is a way through the attacker's host to a camera. It changes nothing, and counts the messages that it sees: what TLS carries once its handshake is over.
type wireTap struct {
	mu    sync.Mutex
	count int
	at    int    // the message to act after; 0 for none
	act   func() // nil once it was called
}

// arm has act called after the message of a number, counted from now on.
func (w *wireTap) arm(at int, act func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count, w.at, w.act = 0, at, act
}

// rest forgets what was armed, and says whether that was never called.
func (w *wireTap) rest() (spared bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	spared, w.act = w.act != nil, nil
	return spared
}

func (w *wireTap) seen() {
	w.mu.Lock()
	w.count++
	act := w.act
	if w.count != w.at || act == nil {
		w.mu.Unlock()
		return
	}
	w.act = nil
	w.mu.Unlock()
	act()
}

// run passes on what comes in at ln until that is closed.
func (w *wireTap) run(ln net.Listener, dial func() (net.Conn, error)) {
	for {
		near, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer near.Close()
			far, err := dial()
			if err != nil {
				return
			}
			defer far.Close()
			// A client proves itself with three records, a server with five: certificate, signature and end, before these extensions and the wish for a certificate.
			go w.pass(near, far, 3)
			w.pass(far, near, 5)
		}()
	}
}

// pass copies the records of TLS; those of the handshake that are sealed, which nobody can tell from messages, are the first ones.
func (w *wireTap) pass(from, to net.Conn, handshake int) {
	defer from.Close()
	defer to.Close()
	for {
		record := make([]byte, 5)
		if _, err := io.ReadFull(from, record); err != nil {
			return
		}
		record = append(record, make([]byte, binary.BigEndian.Uint16(record[3:]))...)
		if _, err := io.ReadFull(from, record[5:]); err != nil {
			return
		}
		if _, err := to.Write(record); err != nil {
			return
		}
		if record[0] != 23 { // application data, or what looks like it
			continue
		}
		if handshake--; handshake < 0 {
			w.seen()
		}
	}
}

// messages is how many a pairing has: nine of the ceremony, the word that it is active, and the answer.
const messages = 11

// TestAttack17KilledAfterEachMessage kills the camera, and in another lab the NVR, after each message of a pairing. It comes back, and a minute later at the latest
// both are paired or neither is.
func TestAttack17KilledAfterEachMessage(t *testing.T) {
	for _, victim := range []string{"camera", "NVR"} {
		t.Run(victim, func(t *testing.T) {
			t.Parallel()
			killAfterEach(t, victim)
		})
	}
}

func killAfterEach(t *testing.T, victim string) {
	p := newPairingLab(t)
	p.agent.Stop()
	tap := &wireTap{}
	go tap.run(p.listen(), func() (conn net.Conn, err error) {
		err = p.attacker.Do(func() error {
			conn, err = net.DialTimeout("tcp", p.camera.Addr().String()+":8322", 5*time.Second)
			return err
		})
		return conn, err
	})
	var off time.Duration
	outcomes := ""
	for n := 1; n <= messages; n++ {
		p.dir = filepath.Join(t.TempDir(), "camera")
		p.agent = agentAt(t, p.camera, off, p.b.Binary, p.dir, "Front")
		code := p.code()
		killed := make(chan struct{})
		tap.arm(n, func() {
			if victim == "NVR" {
				p.serve.Kill()
			} else {
				p.agent.Kill()
			}
			close(killed)
		})
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = p.pair(p.nvr, p.b.Dir, p.attacker.Addr().String(), code) // it may be cut off
		}()
		select {
		case <-killed:
		case <-done:
			if tap.rest() {
				t.Fatalf("the pairing ended before message %d", n)
			}
			<-killed
		}
		if victim == "NVR" {
			p.start(off)
		} else {
			p.agent = agentAt(t, p.camera, off, p.b.Binary, p.dir, "Front")
		}
		<-done
		began, later := time.Now(), false
		var active bool
		waitFor(t, fmt.Sprintf("both to agree after message %d", n), func() (settled bool) {
			active, settled = p.settled()
			if !settled && !later && time.Since(began) > time.Second {
				// A minute later. A camera that goes on does not look at the time of day for that, so it begins anew.
				off, later = off+time.Minute+time.Second, true
				p.serve.Shift(t, off)
				p.agent.Kill()
				p.agent = agentAt(t, p.camera, off, p.b.Binary, p.dir, "Front")
			}
			return settled
		})
		outcomes += map[bool]string{true: "+", false: "-"}[active]
		if active {
			if _, err := p.b.Run("cameras", "remove", "Front"); err != nil {
				t.Fatal(err)
			}
		}
		p.agent.Kill()
	}
	t.Log("killed after each message, undone or paired:", outcomes)
	if !strings.HasPrefix(outcomes, "-") || !strings.HasSuffix(outcomes, "+") {
		t.Error("the first message pairs, or the last one does not")
	}
}

// settled says whether NVR and camera agree, and whether they are paired with each other.
func (p *pairingLab) settled() (active, settled bool) {
	p.t.Helper()
	out, err := exec.Command("sqlite3", "-readonly", filepath.Join(p.b.Dir, "cardea.db"), "SELECT count(*) FROM device WHERE state IN ('pending', 'activating')").CombinedOutput()
	if err != nil {
		p.t.Fatalf("%v: %s", err, out)
	}
	half := strings.TrimSpace(string(out)) != "0"
	memory := readAll(p.t, filepath.Join(p.dir, "pairing.json"))
	switch state := p.state(); {
	case half || strings.Contains(memory, `"pending"`):
		return false, false
	case state == "0 cameras":
		return false, !strings.Contains(memory, `"device"`)
	default:
		return true, state == "streaming" && strings.Contains(memory, `"device"`)
	}
}
