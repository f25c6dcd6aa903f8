// Package syslog sends the records of the tamper-evident logs to a collector of the owner's, as RFC 5424 messages over TLS (RFC 5425).
//
// Its nouns: Exporter, which follows both logs with a cursor each; Settings, where to and whom to trust; State. The buffer is the log
// itself, on the disk: while the collector is away nothing is lost, as long as retention keeps the records. A record may arrive
// twice (its log and seq tell), never not at all. The package changes nothing in the logs and never blocks who appends to them.
package syslog

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"

	"cardea/store"
)

// The settings in the store.
const (
	keyAddress = "syslog.address"
	keyCA      = "syslog.ca"
	keyPin     = "syslog.pin"
)

const (
	defaultPort = "6514" // RFC 5425, section 4.1
	batch       = 500    // messages between two looks at whether they arrived
	dialTimeout = 10 * time.Second
	sendTimeout = 30 * time.Second
	// settle is how long a connection has to live on after everything was taken by the other host, before it counts as read: there
	// is no answer in this protocol.
	settle = time.Second
	// lookEvery is how often the settings are looked at while nothing happens.
	lookEvery = time.Minute
	maxWait   = time.Minute
)

// Settings say where to send and whom to trust there.
type Settings struct {
	// Address is host:port, the port 6514 when left out; "" switches off.
	Address string
	// CA holds the certificates in PEM that may have signed the collector's; "" = those of the system. Pin, when set, is the SHA-256 of
	// the collector's public key (SPKI) in hex and takes the place of both.
	CA, Pin string
}

// check says what is wrong with settings.
func (s Settings) check() error {
	if s.Address == "" {
		return nil
	}
	if host, _, err := net.SplitHostPort(address(s.Address)); err != nil || host == "" || strings.ContainsAny(host, "/@ ") {
		return store.Errorf(store.Invalid, "the collector's address is host:port, for example logs.home.arpa:6514")
	}
	if s.CA != "" && !x509.NewCertPool().AppendCertsFromPEM([]byte(s.CA)) {
		return store.Errorf(store.Invalid, "the certificate of the collector's authority is not PEM")
	}
	if pin, err := hex.DecodeString(s.Pin); err != nil || len(pin) != 0 && len(pin) != sha256.Size {
		return store.Errorf(store.Invalid, "the pin is the SHA-256 of the collector's public key: 64 hex digits")
	}
	return nil
}

// address completes a port.
func address(text string) string {
	if _, _, err := net.SplitHostPort(text); err != nil && !strings.Contains(text, "]:") {
		return net.JoinHostPort(strings.Trim(text, "[]"), defaultPort)
	}
	return text
}

// State is how the export goes.
type State struct {
	Phase  string // off, connected, waiting
	Detail string // a sentence, of the last failure while waiting
	Since  time.Time
	Behind int64 // records that the collector has not got
}

// Config says what an Exporter works with. DB is required.
type Config struct {
	DB   *store.DB
	Host string // name of this box in the messages
	Now  func() time.Time
	Log  *slog.Logger
}

// Exporter sends. Make one with New, and call Run.
type Exporter struct {
	cfg     Config
	changed chan struct{} // the settings are other ones

	mu    sync.Mutex
	state State
}

// New only allocates.
func New(cfg Config) *Exporter {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Exporter{cfg: cfg, changed: make(chan struct{}, 1), state: State{Phase: "off", Since: cfg.Now()}}
}

// Settings gives the ones in force.
func (e *Exporter) Settings(ctx context.Context) (s Settings, err error) {
	all, err := e.cfg.DB.Settings(ctx)
	return Settings{Address: all[keyAddress], CA: all[keyCA], Pin: all[keyPin]}, err
}

// Set changes the settings; the export follows at once. What makes no sense is Invalid.
func (e *Exporter) Set(ctx context.Context, s Settings) error {
	if err := s.check(); err != nil {
		return err
	}
	if err := e.cfg.DB.PutSettings(ctx, map[string]string{keyAddress: s.Address, keyCA: s.CA, keyPin: strings.ToLower(s.Pin)}); err != nil {
		return err
	}
	select {
	case e.changed <- struct{}{}:
	default:
	}
	return nil
}

// State says how it goes.
func (e *Exporter) State(ctx context.Context) (State, error) {
	e.mu.Lock()
	state := e.state
	e.mu.Unlock()
	for _, log := range both {
		size, err := e.cfg.DB.LogSource(log).Size(ctx)
		if err != nil {
			return state, err
		}
		sent, err := e.cfg.DB.Cursor(ctx, cursor(log))
		if err != nil {
			return state, err
		}
		state.Behind += max(0, size-sent)
	}
	return state, nil
}

func (e *Exporter) set(phase, detail string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.state.Phase != phase {
		e.state.Since = e.cfg.Now()
		e.cfg.Log.Info("syslog export", "state", phase, "detail", detail)
	}
	e.state.Phase, e.state.Detail = phase, detail
}

var both = [...]store.LogName{store.LogAccess, store.LogFootage}

// cursor names the follower of a log; its value is the number of the first record that is not known to have arrived.
func cursor(log store.LogName) string { return "syslog." + log.String() }

// Run sends what is in the logs and what comes, until ctx is done.
func (e *Exporter) Run(ctx context.Context) error {
	news, stop := e.cfg.DB.FollowLog()
	defer stop()
	for wait := time.Second; ctx.Err() == nil; {
		s, err := e.Settings(ctx)
		if err == nil && s.Address == "" {
			e.set("off", "")
			e.pause(ctx, lookEvery)
			continue
		}
		if err == nil {
			connected := e.cfg.Now()
			err = e.send(ctx, s, news)
			if e.cfg.Now().Sub(connected) > maxWait {
				wait = time.Second
			}
		}
		if ctx.Err() != nil || err == nil { // nil: other settings
			continue
		}
		e.set("waiting", fmt.Sprintf("The collector %s cannot be reached: %v.", s.Address, err))
		e.pause(ctx, wait/2+rand.N(wait))
		wait = min(2*wait, maxWait)
	}
	return nil
}

// pause waits, or until the settings change.
func (e *Exporter) pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-e.changed:
	}
}

// send works through one connection. It returns nil when the settings have changed.
func (e *Exporter) send(ctx context.Context, s Settings, news <-chan struct{}) error {
	conn, raw, err := dial(ctx, s)
	if err != nil {
		return err
	}
	defer raw.Close()
	// A collector says nothing; what can be read is that it is gone.
	gone := make(chan error, 1)
	go func() {
		_, err := conn.Read(make([]byte, 1))
		gone <- cmpErr(err)
	}()
	defer func() {
		_ = conn.Close() // ends the reader; closes raw too
		<-gone
	}()
	e.set("connected", "")
	for {
		n := 0
		for _, log := range both {
			sent, err := e.sendLog(ctx, conn, raw, gone, log)
			if err != nil {
				return err
			}
			n += sent
		}
		if n > 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-gone:
			gone <- err
			return err
		case <-e.changed:
			return nil
		case <-news:
		case <-time.After(lookEvery):
		}
	}
}

func cmpErr(err error) error {
	if err == nil {
		return errors.New("the collector sends something, which is not syslog")
	}
	return fmt.Errorf("the collector has closed the connection: %w", err)
}

// sendLog sends a batch of one log and moves the cursor when it has arrived.
func (e *Exporter) sendLog(ctx context.Context, conn *tls.Conn, raw *net.TCPConn, gone chan error, log store.LogName) (int, error) {
	from, err := e.cfg.DB.Cursor(ctx, cursor(log))
	if err != nil {
		return 0, err
	}
	records, err := e.cfg.DB.LogRecordsFrom(ctx, log, from, batch)
	if err != nil || len(records) == 0 {
		return 0, err
	}
	var frames []byte
	for i := range records {
		frames = appendFrame(frames, e.cfg.Host, log, &records[i])
	}
	if err := conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return 0, err
	}
	if _, err := conn.Write(frames); err != nil {
		return 0, err
	}
	for deadline := time.Now().Add(sendTimeout); ; {
		left, err := unacknowledged(raw)
		if err != nil {
			return 0, err
		}
		wait := settle
		if left > 0 {
			wait = 20 * time.Millisecond
			if time.Now().After(deadline) {
				return 0, errors.New("the collector does not take what is sent")
			}
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case err := <-gone:
			gone <- err
			return 0, err
		case <-time.After(wait):
		}
		if left == 0 {
			break
		}
	}
	return len(records), e.cfg.DB.PutCursor(ctx, cursor(log), records[len(records)-1].Seq+1)
}

// dial connects with TLS 1.3 and checks whom to.
func dial(ctx context.Context, s Settings) (*tls.Conn, *net.TCPConn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	to := address(s.Address)
	host, _, err := net.SplitHostPort(to)
	if err != nil {
		return nil, nil, err
	}
	config := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS13}
	if s.CA != "" {
		config.RootCAs = x509.NewCertPool()
		config.RootCAs.AppendCertsFromPEM([]byte(s.CA))
	}
	if s.Pin != "" {
		config.InsecureSkipVerify = true // the pin says more than a chain
		config.VerifyConnection = func(state tls.ConnectionState) error {
			got := sha256.Sum256(state.PeerCertificates[0].RawSubjectPublicKeyInfo)
			want, err := hex.DecodeString(s.Pin)
			if err != nil || subtle.ConstantTimeCompare(got[:], want) != 1 {
				return fmt.Errorf("the collector has another key: its SHA-256 is %x", got)
			}
			return nil
		}
	}
	var dialer net.Dialer
	plain, err := dialer.DialContext(ctx, "tcp", to)
	if err != nil {
		return nil, nil, err
	}
	raw, ok := plain.(*net.TCPConn)
	if !ok {
		return nil, nil, errors.Join(errors.New("not a TCP connection"), plain.Close())
	}
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, nil, errors.Join(err, raw.Close())
	}
	return conn, raw, nil
}
