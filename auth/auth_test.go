package auth

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"cardea/store"
	"cardea/store/vault"
)

const goodPassword = "purple ladder sings at noon"

var (
	home  = Client{Addr: netip.MustParseAddr("192.168.1.20"), Agent: "Browser"}
	there = Client{Addr: netip.MustParseAddr("203.0.113.9"), Agent: "Other"}
)

// clock is a clock that tests move.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time      { return time.Unix(0, c.at.Load()).UTC() }
func (c *clock) add(d time.Duration) { c.at.Add(int64(d)) }

// box is People on a real index in a temporary directory.
type box struct {
	*People
	t     *testing.T
	dir   string
	clock *clock
	db    *store.DB
	log   *bytes.Buffer
}

func newBox(t *testing.T, change ...func(*Config)) *box {
	t.Helper()
	b := &box{t: t, dir: t.TempDir(), clock: &clock{}, log: &bytes.Buffer{}}
	b.clock.at.Store(time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	b.open(change...)
	t.Cleanup(func() { b.db.Close() })
	return b
}

func (b *box) open(change ...func(*Config)) {
	b.t.Helper()
	db, err := store.Open(context.Background(), store.Config{Dir: b.dir, Now: b.clock.now})
	if err != nil {
		b.t.Fatal(err)
	}
	key, err := vault.LoadBoxKey(filepath.Join(b.dir, "box.key"))
	if err != nil {
		b.t.Fatal(err)
	}
	cfg := Config{
		DB: db, Seal: key, Hash: Argon2{MemoryKiB: 64, Passes: 1, Lanes: 1}, Now: b.clock.now,
		Interfaces: func() ([]net.Addr, error) { return nil, nil },
		Log:        slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range change {
		f(&cfg)
	}
	if b.People, err = New(cfg); err != nil {
		b.t.Fatal(err)
	}
	b.db = db
}

// restart closes everything and opens it again, as a new process would.
func (b *box) restart() {
	b.t.Helper()
	if err := b.db.Close(); err != nil {
		b.t.Fatal(err)
	}
	b.open()
}

func (b *box) owner() Enrolment {
	b.t.Helper()
	_, e, err := b.CreateOwner(b.t.Context(), "Anna", goodPassword)
	if err != nil {
		b.t.Fatal(err)
	}
	return e
}

// code is what the authenticator app shows now.
func (b *box) code(e Enrolment) string {
	b.t.Helper()
	key, err := otp.NewKeyFromURL(e.TOTPURI)
	if err != nil {
		b.t.Fatal(err)
	}
	c, err := totp.GenerateCode(key.Secret(), b.clock.now())
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

func (b *box) signIn(e Enrolment, from Client) (SignedIn, error) {
	return b.SignIn(b.t.Context(), Credentials{Name: "Anna", Password: goodPassword, Code: b.code(e)}, from)
}

func want(t *testing.T, err error, code Code) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("got %v, want %s", err, code)
	}
	if !strings.HasSuffix(e.Message, ".") {
		t.Errorf("not a sentence: %q", e.Message)
	}
	return e
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	e := b.owner()
	u, err := url.Parse(e.TOTPURI)
	ok(t, err)
	if q := u.Query(); u.Scheme != "otpauth" || u.Host != "totp" || q.Get("algorithm") != "SHA1" || q.Get("digits") != "6" || q.Get("period") != "30" || q.Get("secret") != e.TOTPSecret {
		t.Errorf("totp uri %s", e.TOTPURI)
	}
	first, err := b.signIn(e, home)
	ok(t, err)
	if first.User.Name != "Anna" || first.User.Role != Owner || first.RecoveryUsed || first.RecoveryLeft != 10 || len(first.Token) != 43 {
		t.Errorf("signed in as %+v", first)
	}
	user, sess, err := b.Session(t.Context(), first.Token)
	ok(t, err)
	if user.ID != first.User.ID || sess.ID != first.Session.ID || sess.Addr != "192.168.1.20" {
		t.Errorf("session %+v of %+v", sess, user)
	}
	b.clock.add(30 * time.Second)
	second, err := b.SignIn(t.Context(), Credentials{Name: " aNNa ", Password: goodPassword, Code: b.code(e)}, home)
	ok(t, err)
	if second.Token == first.Token {
		t.Error("the session id was not new")
	}
	ok(t, b.SignOut(t.Context(), second.Token))
	_, _, err = b.Session(t.Context(), second.Token)
	want(t, err, Denied)
	if _, _, err = b.Session(t.Context(), first.Token); err != nil {
		t.Errorf("the other session ended too: %v", err)
	}
}

// TestSignInWrong: whatever is wrong, the answer is the same and costs one hash.
// Attack case 27 of docs/attacks.md.
func TestSignInWrong(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	e := b.owner()
	hashes := 0
	b.hash.ran = func() { hashes++ }
	right := Credentials{Name: "Anna", Password: goodPassword, Code: b.code(e)}
	messages := map[string]bool{}
	for name, change := range map[string]func(*Credentials){
		"name":         func(c *Credentials) { c.Name = "Bert" },
		"password":     func(c *Credentials) { c.Password += "x" },
		"empty":        func(c *Credentials) { *c = Credentials{} },
		"huge":         func(c *Credentials) { c.Password = strings.Repeat("x", 1<<20) },
		"code":         func(c *Credentials) { c.Code = "000000" },
		"no code":      func(c *Credentials) { c.Code = "" },
		"future":       func(c *Credentials) { c.Code = codeAt(t, e, b.clock.now().Add(30*time.Second)) },
		"two back":     func(c *Credentials) { c.Code = codeAt(t, e, b.clock.now().Add(-60*time.Second)) },
		"no recovery":  func(c *Credentials) { c.Code = "AAAA-AAAA-AAAA-AAAA-AAAA-AAAA" },
		"wrong+rescue": func(c *Credentials) { c.Password += "x"; c.Code = e.RecoveryCodes[0] },
	} {
		c := right
		change(&c)
		hashes = 0
		_, err := b.SignIn(t.Context(), c, home)
		messages[want(t, err, Denied).Message] = true
		if hashes != 1 {
			t.Errorf("%s: %d hashes, want 1 as for everybody", name, hashes)
		}
		b.clock.add(24 * time.Hour) // forget the failure
		right.Code = b.code(e)
	}
	if len(messages) != 1 {
		t.Errorf("the answers tell what was wrong: %v", messages)
	}
	_, err := b.SignIn(t.Context(), Credentials{Name: "Anna", Password: goodPassword, Code: e.RecoveryCodes[0]}, home)
	if err != nil {
		t.Errorf("the recovery code beside a wrong password was used up: %v", err)
	}
}

func codeAt(t *testing.T, e Enrolment, at time.Time) string {
	t.Helper()
	c, err := totp.GenerateCode(e.TOTPSecret, at)
	ok(t, err)
	return c
}

// TestReplayRace: fifty sign-ins with one code at the same time make exactly one session.
// Attack case 23 of docs/attacks.md.
func TestReplayRace(t *testing.T) {
	t.Parallel()
	lenient := func(c *Config) {
		c.Account = Policy{Free: 1000, First: time.Second, Max: time.Minute, Forget: time.Hour}
		c.Address, c.Parallel = c.Account, 20
	}
	for name, second := range map[string]func(*box, Enrolment) string{
		"totp":     func(b *box, e Enrolment) string { return b.code(e) },
		"recovery": func(_ *box, e Enrolment) string { return e.RecoveryCodes[3] },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, lenient)
			e := b.owner()
			code := second(b, e)
			var in, denied atomic.Int32
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() {
					_, err := b.SignIn(t.Context(), Credentials{Name: "Anna", Password: goodPassword, Code: code}, home)
					switch {
					case err == nil:
						in.Add(1)
					case errors.Is(err, &Error{Code: Denied}):
						denied.Add(1)
					default:
						t.Errorf("unexpected: %v", err)
					}
				})
			}
			wg.Wait()
			if in.Load() != 1 || denied.Load() != 49 {
				t.Errorf("%d signed in, %d denied", in.Load(), denied.Load())
			}
			list, err := b.Sessions(t.Context(), mustUsers(t, b)[0].ID)
			ok(t, err)
			if len(list) != 1 {
				t.Errorf("%d sessions", len(list))
			}
		})
	}
}

func mustUsers(t *testing.T, b *box) []User {
	t.Helper()
	users, err := b.Users(t.Context())
	ok(t, err)
	return users
}

// TestStepsGoForward: the code of the step before is good until a newer one was used, also after a restart.
// Attack case 24 of docs/attacks.md.
func TestStepsGoForward(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	e := b.owner()
	old := b.code(e)
	b.clock.add(30 * time.Second)
	if _, err := b.SignIn(t.Context(), Credentials{Name: "Anna", Password: goodPassword, Code: b.code(e)}, home); err != nil {
		t.Fatal(err)
	}
	b.restart()
	_, err := b.SignIn(t.Context(), Credentials{Name: "Anna", Password: goodPassword, Code: old}, home)
	if e := want(t, err, Denied); !strings.Contains(e.Message, "used already") {
		t.Errorf("not helpful: %s", e.Message)
	}
	b.clock.add(60 * time.Second)
	late := codeAt(t, e, b.clock.now().Add(-30*time.Second))
	if _, err := b.SignIn(t.Context(), Credentials{Name: "Anna", Password: goodPassword, Code: late[:3] + " " + late[3:]}, home); err != nil {
		t.Errorf("the code of the step before was refused: %v", err)
	}
}

// TestRecoveryCodes is attack case 32 of docs/attacks.md.
func TestRecoveryCodes(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	e := b.owner()
	if len(e.RecoveryCodes) != 10 {
		t.Fatalf("%d codes", len(e.RecoveryCodes))
	}
	seen := map[string]bool{}
	for i, code := range e.RecoveryCodes {
		if raw, ok := parse32(code, recoveryBytes); !ok || len(raw)*8 < 112 || seen[code] {
			t.Fatalf("code %q", code)
		}
		seen[code] = true
		typed := []string{code, strings.ToLower(code), strings.ReplaceAll(code, "-", " ")}[i%3]
		in, err := b.SignIn(t.Context(), Credentials{Name: "Anna", Password: goodPassword, Code: typed}, home)
		ok(t, err)
		if !in.RecoveryUsed || in.RecoveryLeft != 9-i {
			t.Errorf("code %d: %+v", i, in)
		}
		_, err = b.SignIn(t.Context(), Credentials{Name: "Anna", Password: goodPassword, Code: code}, home)
		want(t, err, Denied)
	}
}

func TestSessionLimits(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	e := b.owner()
	in, err := b.signIn(e, home)
	ok(t, err)
	for range 4 { // used every six days it lives on, up to thirty
		b.clock.add(6 * 24 * time.Hour)
		if _, _, err := b.Session(t.Context(), in.Token); err != nil {
			t.Fatalf("ended early: %v", err)
		}
	}
	b.clock.add(6 * 24 * time.Hour)
	_, _, err = b.Session(t.Context(), in.Token)
	want(t, err, Denied)

	in, err = b.signIn(e, home)
	ok(t, err)
	b.clock.add(7 * 24 * time.Hour)
	_, _, err = b.Session(t.Context(), in.Token)
	want(t, err, Denied)

	in, err = b.signIn(e, home)
	ok(t, err)
	b.clock.add(31 * 24 * time.Hour)
	ok(t, b.sweep(t.Context()))
	if rows, err := b.db.Sessions(t.Context(), in.User.ID); err != nil || len(rows) != 0 {
		t.Errorf("left after the sweep: %v %v", rows, err)
	}
}

// TestEndSessions is attack case 30 of docs/attacks.md.
func TestEndSessions(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	e := b.owner()
	var tokens []string
	var last SignedIn
	for range 4 {
		in, err := b.signIn(e, home)
		ok(t, err)
		last = in
		tokens = append(tokens, in.Token)
		b.clock.add(time.Minute)
	}
	list, err := b.Sessions(t.Context(), last.User.ID)
	ok(t, err)
	if len(list) != 4 || list[0].ID != last.Session.ID {
		t.Fatalf("sessions %+v", list)
	}
	ok(t, b.EndSession(t.Context(), console(), last.User.ID, list[3].ID))
	want(t, b.EndSession(t.Context(), console(), last.User.ID, list[3].ID), NotFound)
	want(t, b.EndSession(t.Context(), console(), store.ID{1}, list[2].ID), NotFound)
	_, _, err = b.Session(t.Context(), tokens[0])
	want(t, err, Denied)
	ok(t, b.EndSessions(t.Context(), console(), last.User.ID, tokens[3]))
	_, _, err = b.Session(t.Context(), tokens[1])
	want(t, err, Denied)
	if _, _, err = b.Session(t.Context(), tokens[3]); err != nil {
		t.Errorf("the own session ended: %v", err)
	}
	for _, bad := range []string{"", "x", tokens[3] + "A", strings.Repeat("A", 43), "' OR 1=1 --"} {
		_, _, err := b.Session(t.Context(), bad)
		want(t, err, Denied)
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	ctx := t.Context()
	_, _, err := b.Add(ctx, "Bert", goodPassword, Viewer)
	want(t, err, Conflict) // not before there is an owner
	e := b.owner()
	in, err := b.signIn(e, home)
	ok(t, err)
	_, _, err = b.CreateOwner(ctx, "Zoe", goodPassword)
	want(t, err, Conflict)
	_, _, err = b.Add(ctx, "ANNA", goodPassword, Viewer)
	want(t, err, Conflict)
	_, _, err = b.Add(ctx, "Bert", goodPassword, "admin")
	want(t, err, Invalid)
	_, second, err := b.Add(ctx, "Bert", goodPassword+"!", Viewer)
	ok(t, err)
	if _, err := b.SignIn(ctx, Credentials{Name: "bert", Password: goodPassword + "!", Code: b.code(second)}, home); err != nil {
		t.Error(err)
	}
	want(t, b.Remove(ctx, "Anna"), Conflict)
	want(t, b.Remove(ctx, "Nobody"), NotFound)
	_, zoe, err := b.Add(ctx, "Zoë", goodPassword+"?", Member)
	ok(t, err)
	if _, err := b.SignIn(ctx, Credentials{Name: "Zoe\u0308", Password: goodPassword + "?", Code: b.code(zoe)}, home); err != nil {
		t.Errorf("the same name from another keyboard: %v", err)
	}
	ok(t, b.Remove(ctx, "Zoe\u0308"))
	ok(t, b.Remove(ctx, "Bert"))
	if n := len(mustUsers(t, b)); n != 1 {
		t.Errorf("%d users", n)
	}

	want(t, b.ResetPassword(ctx, "Anna", "short"), Invalid)
	ok(t, b.ResetPassword(ctx, "Anna", goodPassword+" again"))
	_, _, err = b.Session(ctx, in.Token)
	want(t, err, Denied)
	fresh, err := b.ResetTOTP(ctx, "Anna")
	ok(t, err)
	_, err = b.SignIn(ctx, Credentials{Name: "Anna", Password: goodPassword + " again", Code: e.RecoveryCodes[0]}, home)
	want(t, err, Denied)
	if _, err = b.SignIn(ctx, Credentials{Name: "Anna", Password: goodPassword + " again", Code: b.code(fresh)}, home); err != nil {
		t.Error(err)
	}
}

// TestNothingInTheClear: neither the log nor the files hold a password, a seed, a code or a token.
func TestNothingInTheClear(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	token, _, err := b.NewClaim(t.Context())
	ok(t, err)
	e, err := b.Setup(t.Context(), SetupRequest{Token: token, Name: "Anna", Password: goodPassword}, home.Addr)
	ok(t, err)
	in, err := b.Verify(t.Context(), token, b.code(e), home)
	ok(t, err)
	_, err = b.SignIn(t.Context(), Credentials{Name: "Anna", Password: goodPassword, Code: e.RecoveryCodes[0]}, home)
	ok(t, err)
	ok(t, b.db.Close())
	seed, _ := plain32.DecodeString(e.TOTPSecret)
	raw, _ := parse32(e.RecoveryCodes[1], recoveryBytes)
	secrets := []string{goodPassword, token, e.TOTPSecret, string(seed), in.Token, e.RecoveryCodes[0], e.RecoveryCodes[1], string(raw)}
	files, err := filepath.Glob(filepath.Join(b.dir, "*"))
	ok(t, err)
	text := b.log.String()
	for _, f := range files {
		text += read(t, f)
	}
	for _, s := range secrets {
		if strings.Contains(text, s) {
			t.Errorf("found %q", s)
		}
	}
}

// TestNoRandomness: a source that fails makes the call fail, not the secret weak.
func TestNoRandomness(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.cfg.Rand = io.LimitReader(bytes.NewReader(make([]byte, 8)), 8)
	if token, _, err := b.NewClaim(t.Context()); err == nil {
		t.Errorf("made %q of nothing", token)
	}
}
