//go:build unix

package agent_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"cardea/auth/ca"
	"cardea/camera/agent"
	"cardea/camera/pairing"
)

// softTPM runs swtpm and gives its socket.
func softTPM(t *testing.T) string {
	t.Helper()
	bin, err := exec.LookPath("swtpm")
	if err != nil {
		t.Skip("swtpm is not installed; `make test` installs it")
	}
	dir, err := os.MkdirTemp("", "tpm") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	cmd := exec.Command(bin, "socket", "--tpm2", "--tpmstate", "dir="+dir, "--server", "type=unixio,path="+socket, "--flags", "not-need-init,startup-clear")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill() //nolint:errcheck // it may have ended
		cmd.Wait()         //nolint:errcheck // it was killed
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(socket); err == nil {
			return socket
		}
		if time.Now().After(deadline) {
			t.Fatalf("swtpm does not start: %s", out.String())
		}
	}
}

// TestTPM: a camera whose key is in a TPM is paired, keeps its key over a restart, and what is stored is of no use without the TPM.
func TestTPM(t *testing.T) {
	keys := &agent.TPM{Path: softTPM(t)}
	key, stored, err := keys.New()
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte("text"))
	sig, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil || !ecdsa.VerifyASN1(key.Public().(*ecdsa.PublicKey), digest[:], sig) {
		t.Fatalf("signature %x: %v", sig, err)
	}
	if again, err := keys.Open(stored); err != nil || !key.Public().(*ecdsa.PublicKey).Equal(again.Public()) {
		t.Errorf("another key after a restart: %v", err)
	}
	if _, err := (pairing.FileKeys{}).Open(stored); err == nil {
		t.Error("the file holds the key")
	}
	if _, err := keys.Open([]byte("{}")); err == nil {
		t.Error("nonsense is a key")
	}
	other := &agent.TPM{Path: softTPM(t)}
	if stolen, err := other.Open(stored); err == nil {
		if _, err := stolen.Sign(rand.Reader, digest[:], crypto.SHA256); err == nil {
			t.Error("another TPM signs with it")
		}
	}

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	codes := make(chan pairing.Code, 4)
	dir := t.TempDir()
	camera, err := pairing.OpenCamera(pairing.CameraConfig{Dir: dir, Keys: keys, OnCode: func(c pairing.Code) { codes <- c }}, ln)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- camera.Run(ctx) }()
	authority, err := ca.OpenDevice(ca.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	nvr := pairing.NVR{Issuer: authority}
	d, err := nvr.Pair(ctx, ln.Addr().String(), (<-codes).Digits, "01A", func(pairing.Device) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if r, err := nvr.Sync(ctx, ln.Addr().String(), d, true); err != nil || !r.Active {
		t.Errorf("%+v %v", r, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, pairing.StateFile))
	if block, _ := pem.Decode(data); err != nil || block != nil {
		t.Error("the state holds a key in the clear", err)
	}
}
