package test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cardea/auth/ca"
	"cardea/camera/pairing"
)

// pairingFrame is what the README of camera/pairing calls so, with the fields that renewal has.
type pairingFrame struct {
	Type   string    `json:"type"`
	Device string    `json:"device,omitempty"`
	Bundle uint64    `json:"bundle,omitempty"`
	Time   time.Time `json:"time,omitzero"`
	CSR    []byte    `json:"csr,omitempty"`
	Leaf   []byte    `json:"leaf,omitempty"`
	Active bool      `json:"active,omitempty"`
}

func writeFrame(w io.Writer, f pairingFrame) error {
	body, err := json.Marshal(f)
	if err != nil {
		return err
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
	return err
}

func readFrame(r io.Reader) (f pairingFrame, err error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return f, err
	}
	body := make([]byte, min(binary.BigEndian.Uint32(head[:]), 1<<20))
	if _, err := io.ReadFull(r, body); err != nil {
		return f, err
	}
	return f, json.Unmarshal(body, &f)
}

// due is when a certificate of today is to be renewed, with all its spread.
const due = 22 * 24 * time.Hour

// greedy is a request for everything that a certificate can give.
func greedy(t *testing.T, key crypto.Signer, names ...string) []byte {
	t.Helper()
	request := &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "bank.example", Organization: []string{"Bank"}}, DNSNames: []string{"bank.example", "cardea.local"},
		IPAddresses: []net.IP{{192, 168, 77, 1}}, EmailAddresses: []string{"root@bank.example"},
		ExtraExtensions: []pkix.Extension{
			{Id: []int{2, 5, 29, 19}, Critical: true, Value: []byte{0x30, 3, 1, 1, 0xff}}, // CA:TRUE
			{Id: []int{2, 5, 29, 15}, Critical: true, Value: []byte{3, 2, 1, 6}},          // signs certificates and lists
			{Id: []int{1, 2, 3, 4}, Value: []byte("anything")},
		},
	}
	for _, name := range names {
		u, err := url.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		request.URIs = append(request.URIs, u)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, request, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestAttack18RequestInTheLab: a paired camera turned hostile asks for a certificate of an authority, of the NVR and of another camera, and gets its own name and nothing
// else. One that asks for a certificate of another key gets none, and is isolated.
func TestAttack18RequestInTheLab(t *testing.T) {
	p := newPairingLab(t)
	if err := p.pair(p.nvr, p.b.Dir, p.camera.Addr().String(), p.code()); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the first picture", func() bool { return p.state() == "streaming" })
	p.agent.Stop()
	memory, good := p.memory(), p.certificate()
	key, err := pairing.FileKeys{}.Open(memory.Identity.Key)
	if err != nil {
		t.Fatal(err)
	}
	another, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	nvr, _, _ := strings.Cut(good.URIs[0].String(), ":cam:")
	names := []string{nvr + ":nvr", nvr + ":cam:01ARZ3NDEKTSV4RRFFQ69G5FAV"}
	p.camera.Down()
	p.attacker.IP("addr", "add", p.camera.Addr().String()+"/24", "dev", "eth0")
	p.nvr.IP("neigh", "flush", "all")
	p.serve.Shift(t, due)

	var mu sync.Mutex
	request, asked, issued := greedy(t, key, names...), 0, [][]byte(nil)
	config := &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{memory.Identity.Leaf}, PrivateKey: key}}, ClientAuth: tls.RequireAnyClientCert, NextProtos: []string{pairing.ProtoRenew},
	}
	ln := p.listen()
	serve := func(conn net.Conn) {
		defer conn.Close()
		secure := tls.Server(conn, config)
		_ = secure.SetDeadline(time.Now().Add(10 * time.Second))
		for {
			said, err := readFrame(secure)
			if err != nil {
				return
			}
			answer := pairingFrame{Type: "stored"}
			mu.Lock()
			switch said.Type {
			case "sync":
				answer = pairingFrame{Type: "state", Device: memory.Identity.Device, Bundle: memory.Identity.Bundle, Time: said.Time, Active: true}
			case "renew":
				asked++
				answer = pairingFrame{Type: "csr", CSR: request}
			case "cert":
				issued = append(issued, said.Leaf)
			}
			mu.Unlock()
			if err := writeFrame(secure, answer); err != nil {
				return
			}
		}
	}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	got := func() [][]byte {
		mu.Lock()
		defer mu.Unlock()
		return issued
	}
	waitFor(t, "a certificate", func() bool { return len(got()) > 0 })
	leaf, err := x509.ParseCertificate(got()[0])
	if err != nil {
		t.Fatal(err)
	}
	if leaf.IsCA || leaf.KeyUsage != x509.KeyUsageDigitalSignature || len(leaf.Subject.Names) != 0 || len(leaf.IPAddresses)+len(leaf.EmailAddresses) != 0 ||
		len(leaf.URIs) != 1 || leaf.URIs[0].String() != good.URIs[0].String() || len(leaf.DNSNames) != 1 || leaf.DNSNames[0] != good.DNSNames[0] {
		t.Errorf("%q for %v %v %v, an authority: %v", leaf.Subject, leaf.URIs, leaf.DNSNames, leaf.IPAddresses, leaf.IsCA)
	}
	for _, e := range leaf.Extensions {
		if e.Id.String() == "1.2.3.4" {
			t.Error("an extension of the request is in the certificate")
		}
	}
	if life := leaf.NotAfter.Sub(good.NotAfter); life > due+time.Hour {
		t.Errorf("it ends %v later than the one before", life)
	}

	mu.Lock()
	request, asked, issued = greedy(t, another), 0, nil
	mu.Unlock()
	waitFor(t, "the refusal of another key", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return asked > 0 && p.state() == "isolated"
	})
	if len(got()) != 0 {
		t.Error("another key was certified")
	}
}

// TestAttack19RenewalsInTheLab: a copy of the NVR, restored from a backup, renews a camera's certificate twice at once while the NVR itself does. The camera has
// one key and one certificate after that, and the NVR has its pictures.
func TestAttack19RenewalsInTheLab(t *testing.T) {
	p := newPairingLab(t)
	if err := p.pair(p.nvr, p.b.Dir, p.camera.Addr().String(), p.code()); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the first picture", func() bool { return p.state() == "streaming" })
	p.serve.Stop()
	memory, first := p.memory(), p.certificate()
	later := func() time.Time { return time.Now().Add(due) }
	authority, err := ca.OpenDevice(ca.Config{Dir: filepath.Join(p.b.Dir, "keys"), Now: later})
	if err != nil {
		t.Fatal(err)
	}
	clone := pairing.NVR{Issuer: authority, Now: later}
	device := pairing.Device{ID: memory.Identity.Device, SPKI: pairing.SPKI(first), Leaf: first.Raw, Bundle: memory.Identity.Bundle}

	var conns []*tls.Conn
	var leaves [][]byte
	for range 2 {
		var raw net.Conn
		if err := p.attacker.Do(func() (err error) {
			raw, err = net.DialTimeout("tcp", p.camera.Addr().String()+":8322", 5*time.Second)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		conn := tls.Client(raw, clone.TLS(device, true))
		conns = append(conns, conn)
	}
	// say has one connection say a thing and gives what the camera answers.
	say := func(conn *tls.Conn, f pairingFrame, want string) pairingFrame {
		t.Helper()
		if err := writeFrame(conn, f); err != nil {
			t.Fatal(err)
		}
		answer, err := readFrame(conn)
		if err != nil || answer.Type != want {
			t.Fatalf("%s: %+v %v", f.Type, answer, err)
		}
		return answer
	}
	for _, f := range []pairingFrame{{Type: "sync", Time: later()}, {Type: "renew"}} {
		for _, conn := range conns {
			if f.Type == "sync" {
				say(conn, f, "state")
				continue
			}
			csr, err := x509.ParseCertificateRequest(say(conn, f, "csr").CSR)
			if err != nil {
				t.Fatal(err)
			}
			leaf, err := authority.Certify(device.ID, csr.PublicKey)
			if err != nil {
				t.Fatal(err)
			}
			leaves = append(leaves, leaf)
		}
	}
	p.start(due)
	waitFor(t, "a renewal by the NVR itself", func() bool { return p.state() == "streaming" && !p.certificate().Equal(first) })
	var wg sync.WaitGroup
	for i, conn := range conns {
		wg.Go(func() {
			if err := writeFrame(conn, pairingFrame{Type: "cert", Leaf: leaves[i]}); err != nil {
				t.Error(err)
			} else if answer, err := readFrame(conn); err != nil || answer.Type != "stored" {
				t.Errorf("%+v %v", answer, err)
			}
		})
	}
	wg.Wait()
	last := p.certificate()
	if pairing.SPKI(last) != device.SPKI || string(p.memory().Identity.Key) != string(memory.Identity.Key) {
		t.Error("the key is another one")
	}
	if string(last.Raw) != string(leaves[0]) && string(last.Raw) != string(leaves[1]) {
		t.Error("the camera has neither of the certificates that came last")
	}
	p.agent.Stop()
	waitFor(t, "the end of the pictures", func() bool { return p.state() != "streaming" })
	p.agent = agentAt(t, p.camera, due, p.b.Binary, p.dir, "Front")
	waitFor(t, "pictures with the certificate that is left", func() bool { return p.state() == "streaming" })
	out, err := exec.Command("sqlite3", "-readonly", filepath.Join(p.b.Dir, "cardea.db"), "SELECT state, hex(spki), hex(leaf) FROM device").CombinedOutput()
	want := "active|" + strings.ToUpper(hex.EncodeToString(device.SPKI[:])) + "|" + strings.ToUpper(hex.EncodeToString(last.Raw))
	if err != nil || strings.TrimSpace(string(out)) != want {
		t.Errorf("%v: the NVR knows %.120s, not %.120s", err, out, want)
	}
}
