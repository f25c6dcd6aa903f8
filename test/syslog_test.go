package test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
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

	"cardea/test/box"
	"cardea/web/console"
)

// rsyslog is a collector: Debian's rsyslogd with GnuTLS, as an owner would run one.
type rsyslog struct {
	dir, ca, out string
	port         int
	process      *exec.Cmd
}

func newRsyslog(t *testing.T) *rsyslog {
	t.Helper()
	if _, err := exec.LookPath("rsyslogd"); err != nil {
		t.Fatal("rsyslogd is not installed: make test-packages")
	}
	r := &rsyslog{dir: t.TempDir()}
	r.out = filepath.Join(r.dir, "messages")
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))(t)
	secret := must(x509.MarshalPKCS8PrivateKey(key))(t)
	r.ca = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	ln := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	r.port = ln.Addr().(*net.TCPAddr).Port
	ln.Close()
	for name, text := range map[string]string{
		"cert.pem": r.ca,
		"key.pem":  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})),
		"conf": fmt.Sprintf(`global(workDirectory="%[1]s" maxMessageSize="64k" defaultNetstreamDriver="gtls"
	defaultNetstreamDriverCAFile="%[1]s/cert.pem" defaultNetstreamDriverCertFile="%[1]s/cert.pem" defaultNetstreamDriverKeyFile="%[1]s/key.pem")
module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="anon" gnutlsPriorityString="NORMAL")
template(name="fields" type="string" string="%%pri%%|%%app-name%%|%%msgid%%|%%structured-data%%|%%msg%%\n")
input(type="imtcp" address="127.0.0.1" port="%[2]d")
action(type="omfile" file="%[1]s/messages" template="fields")
`, r.dir, r.port),
	} {
		if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(r.stop)
	return r
}

func (r *rsyslog) start(t *testing.T) {
	t.Helper()
	r.process = exec.Command("rsyslogd", "-n", "-f", filepath.Join(r.dir, "conf"), "-i", filepath.Join(r.dir, "pid"))
	log := must(os.OpenFile(filepath.Join(r.dir, "stderr"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600))(t)
	defer log.Close()
	r.process.Stdout, r.process.Stderr = log, log
	r.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := r.process.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "rsyslogd to listen", func() bool {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", r.port))
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

func (r *rsyslog) stop() {
	if r.process == nil {
		return
	}
	_ = r.process.Process.Signal(syscall.SIGTERM) // it writes out what it has
	_ = r.process.Wait()
	r.process = nil
}

// messages gives the records that have come, by log and number, and holds each against its header.
func (r *rsyslog) messages(t *testing.T) map[string]map[int64]map[string]any {
	t.Helper()
	all := map[string]map[int64]map[string]any{"access": {}, "footage": {}}
	data, err := os.ReadFile(r.out)
	if os.IsNotExist(err) {
		return all
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.SplitAfter(string(data), "\n") {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), "|", 5)
		if !strings.HasSuffix(line, "\n") {
			continue // being written
		}
		if len(fields) != 5 || fields[1] != "cardea" || all[fields[2]] == nil || !strings.HasPrefix(fields[3], "[cardea@32473 seq=") {
			t.Fatalf("message %q", line)
		}
		var record map[string]any
		if err := json.Unmarshal([]byte(strings.TrimSpace(fields[4])), &record); err != nil {
			t.Fatalf("message %q: %v", line, err)
		}
		if record["result"] == "refused" && fields[0] != "108" {
			t.Errorf("something refused has priority %s", fields[0])
		}
		all[fields[2]][int64(record["seq"].(float64))] = record
	}
	return all
}

// TestSyslog sends the logs to rsyslog, which goes away and comes back, over a restart of the box: nothing is lost.
func TestSyslog(t *testing.T) {
	collector := newRsyslog(t)
	collector.start(t)
	b, err := box.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Serve(); err != nil {
		t.Fatal(err)
	}
	console1 := must(console.Dial(t.Context(), b.Dir))(t)
	settings := map[string]any{"address": fmt.Sprintf("127.0.0.1:%d", collector.port), "ca": collector.ca}
	if err := console1.Do(t.Context(), "PUT", "/api/log/syslog", settings, nil); err != nil {
		t.Fatal(err)
	}
	evil := "Bert\n<13>1 - - - - - - forged\x1b[2J"
	if status := browse(t, b).signIn(t, evil, evil); status < 400 {
		t.Errorf("status %d", status)
	}
	act := func(c *console.Client, n int) {
		for range n {
			if err := c.Do(t.Context(), "PATCH", "/api/settings", map[string]any{"retention_days": 30}, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	complete := func(c *console.Client) bool {
		var now struct{ Size int64 }
		if err := c.Get(t.Context(), "/api/log/checkpoint", nil, &now); err != nil {
			t.Fatal(err)
		}
		got := collector.messages(t)["access"]
		for seq := range now.Size {
			if got[seq] == nil {
				return false
			}
		}
		return now.Size > 5
	}
	act(console1, 5)
	waitFor(t, "the first records", func() bool { return complete(console1) })
	if first := collector.messages(t); first["access"][0]["action"] != "log.start" || first["footage"][0]["action"] != "log.start" {
		t.Errorf("the first records are %v and %v", first["access"][0], first["footage"][0])
	}

	collector.stop()
	act(console1, 20)
	var state struct {
		State  string
		Behind int64
	}
	waitFor(t, "the box to notice", func() bool {
		if err := console1.Get(t.Context(), "/api/log/syslog", nil, &state); err != nil {
			t.Fatal(err)
		}
		return state.State == "waiting" && state.Behind >= 20
	})
	console1.Close()
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := b.Serve(); err != nil {
		t.Fatal(err)
	}
	console2 := must(console.Dial(t.Context(), b.Dir))(t)
	defer console2.Close()
	act(console2, 5)
	collector.start(t)
	waitFor(t, "everything", func() bool { return complete(console2) })
	waitFor(t, "the cursor", func() bool {
		if err := console2.Get(t.Context(), "/api/log/syslog", nil, &state); err != nil {
			t.Fatal(err)
		}
		return state.State == "connected" && state.Behind == 0
	})
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
}
