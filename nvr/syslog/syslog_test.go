package syslog

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"cardea/store"
)

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// certificate makes one for 127.0.0.1 that signs itself.
func certificate(t testing.TB) (pair tls.Certificate, ca string, pin string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ok(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	ok(t, err)
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	ok(t, err)
	sum := sha256.Sum256(spki)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), hex.EncodeToString(sum[:])
}

// collector takes messages.
type collector struct {
	t    *testing.T
	addr string
	pair tls.Certificate
	mu   sync.Mutex
	got  []string
	ln   net.Listener
	done sync.WaitGroup
	all  map[net.Conn]bool
}

func (c *collector) start() {
	c.t.Helper()
	var err error
	for range 100 { // the port of the last one may take a moment
		if c.ln, err = tls.Listen("tcp", c.addr, &tls.Config{Certificates: []tls.Certificate{c.pair}}); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	ok(c.t, err)
	c.addr = c.ln.Addr().String()
	c.all = map[net.Conn]bool{}
	ln := c.ln
	c.done.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			c.mu.Lock()
			c.all[conn] = true
			c.mu.Unlock()
			c.done.Go(func() { c.read(conn) })
		}
	})
}

func (c *collector) read(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		size, err := in.ReadString(' ')
		if err != nil {
			return
		}
		n, err := strconv.Atoi(strings.TrimSpace(size))
		if err != nil || n > 64<<10 {
			c.t.Errorf("frame of %q", size)
			return
		}
		message := make([]byte, n)
		if _, err := io.ReadFull(in, message); err != nil {
			return
		}
		c.mu.Lock()
		c.got = append(c.got, string(message))
		c.mu.Unlock()
	}
}

func (c *collector) stop() {
	c.ln.Close()
	c.mu.Lock()
	for conn := range c.all {
		conn.Close()
	}
	c.mu.Unlock()
	c.done.Wait()
}

// seqs gives which records of the access log have come.
func (c *collector) seqs() map[int64]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := map[int64]int{}
	for _, message := range c.got {
		if m := regexp.MustCompile(` - access \[cardea@32473 seq="(\d+)"`).FindStringSubmatch(message); m != nil {
			n, _ := strconv.ParseInt(m[1], 10, 64)
			seen[n]++
		}
	}
	return seen
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatalf("waited a minute for %s", what)
}

func run(t *testing.T, e *Exporter) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestNothingIsLost: the collector goes away and comes back, the program is started anew, and each record arrives.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()
	db, err := store.Open(t.Context(), store.Config{Dir: t.TempDir()})
	ok(t, err)
	defer db.Close()
	pair, ca, _ := certificate(t)
	c := &collector{t: t, addr: "127.0.0.1:0", pair: pair}
	c.start()
	add := func(n int) {
		for range n {
			ok(t, db.LogAccess(t.Context(), store.Access{Action: "playback", Actor: store.Actor{Name: "Ann"}}))
		}
	}
	complete := func(n int64) func() bool {
		return func() bool {
			seen := c.seqs()
			for seq := range n {
				if seen[seq] == 0 {
					return false
				}
			}
			return true
		}
	}
	add(3)
	e := New(Config{DB: db, Host: "box"})
	ok(t, e.Set(t.Context(), Settings{Address: c.addr, CA: ca}))
	stop := run(t, e)
	eventually(t, "what was there", complete(3))
	add(10)
	eventually(t, "what comes", complete(13))
	c.stop()
	add(20)
	eventually(t, "the state to tell", func() bool {
		state, err := e.State(t.Context())
		ok(t, err)
		return state.Phase == "waiting" && state.Behind >= 20 && state.Detail != ""
	})
	stop()
	add(5)
	e = New(Config{DB: db, Host: "box"})
	defer run(t, e)()
	add(1200)
	c.start()
	eventually(t, "all of it", complete(1238))
	eventually(t, "the cursor", func() bool {
		state, err := e.State(t.Context())
		ok(t, err)
		return state.Phase == "connected" && state.Behind == 0
	})
	ok(t, e.Set(t.Context(), Settings{}))
	eventually(t, "the end", func() bool {
		state, err := e.State(t.Context())
		ok(t, err)
		return state.Phase == "off"
	})
	c.stop()
}

func TestTrust(t *testing.T) {
	t.Parallel()
	pair, ca, pin := certificate(t)
	_, otherCA, otherPin := certificate(t)
	old, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, MaxVersion: tls.VersionTLS12})
	ok(t, err)
	defer old.Close()
	now, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	ok(t, err)
	defer now.Close()
	for _, ln := range []net.Listener{old, now} {
		go func() {
			for {
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				go func() { _, _ = io.Copy(io.Discard, conn) }()
			}
		}()
	}
	for name, test := range map[string]struct {
		s    Settings
		good bool
	}{
		"its authority":          {Settings{Address: now.Addr().String(), CA: ca}, true},
		"its key":                {Settings{Address: now.Addr().String(), Pin: pin}, true},
		"another authority":      {Settings{Address: now.Addr().String(), CA: otherCA}, false},
		"another key":            {Settings{Address: now.Addr().String(), CA: ca, Pin: otherPin}, false},
		"nobody's word":          {Settings{Address: now.Addr().String()}, false},
		"TLS 1.2":                {Settings{Address: old.Addr().String(), CA: ca}, false},
		"a name that is not its": {Settings{Address: strings.Replace(now.Addr().String(), "127.0.0.1", "localhost", 1), CA: ca}, false},
	} {
		conn, _, err := dial(t.Context(), test.s)
		if (err == nil) != test.good {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			conn.Close()
		}
	}
	for _, bad := range []Settings{{Address: ":6514"}, {Address: "a b"}, {Address: "u@h"}, {Address: "h", CA: "no"}, {Address: "h", Pin: "12"}, {Address: "h", Pin: "zz"}} {
		if err := bad.check(); store.ErrorCode(err) != store.Invalid {
			t.Errorf("%+v gives %v", bad, err)
		}
	}
	for in, want := range map[string]string{"h": "h:6514", "h:1": "h:1", "::1": "[::1]:6514", "[::1]": "[::1]:6514", "[::1]:9": "[::1]:9"} {
		if got := address(in); got != want {
			t.Errorf("%s becomes %s, want %s", in, got, want)
		}
	}
}

// header is RFC 5424 up to the message, with one element of structured data.
var header = regexp.MustCompile(`^<\d{1,3}>1 (-|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) [!-~]{1,255} cardea - (access|footage) \[cardea@32473( [a-z]+="([^"\\\]]|\\["\\\]])*")*\] (\{.*\})$`)

func FuzzFormat(f *testing.F) {
	f.Add("Ann", "box", "Mozilla")
	f.Add("a\"]\\", "\u00fc x\n", "\x1b[2J\r\n<13>1 - -")
	f.Add("\u202e\u2028\xff", strings.Repeat("h", 300), "\x00")
	db, err := store.Open(context.Background(), store.Config{Dir: f.TempDir()})
	ok(f, err)
	f.Cleanup(func() { db.Close() })
	seq := int64(-1)
	f.Fuzz(func(t *testing.T, name, host, agent string) {
		ok(t, db.LogAccess(t.Context(), store.Access{Action: "sign-in", Refused: true, Actor: store.Actor{Name: name}, Agent: agent}))
		all, err := db.LogRecordsFrom(t.Context(), store.LogAccess, seq+1, 10)
		ok(t, err)
		record := all[len(all)-1]
		seq = record.Seq
		frame := appendFrame(nil, host, store.LogAccess, &record)
		size, message, _ := bytes.Cut(frame, []byte(" "))
		if string(size) != fmt.Sprint(len(message)) {
			t.Errorf("the frame says %s, it has %d bytes", size, len(message))
		}
		found := header.FindSubmatch(message)
		if found == nil || !json.Valid(found[5]) {
			t.Fatalf("%q is no message", message)
		}
		for _, c := range string(message) {
			if !unicode.IsPrint(c) {
				t.Errorf("%q has %U", message, c)
			}
		}
		if !bytes.HasPrefix(message, []byte("<108>1 ")) { // audit, warning
			t.Errorf("%q", message)
		}
	})
}
