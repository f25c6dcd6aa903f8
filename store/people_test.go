package store_test

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"cardea/store"
)

func hash(seed byte) []byte { return bytes.Repeat([]byte{seed}, 32) }

func account(name, role string) store.User {
	return store.User{Name: name, Role: role, PasswordHash: "$argon2id$…", TOTPSecret: []byte("sealed"), TOTPLastStep: 10}
}

func TestFirstAccount(t *testing.T) {
	t.Parallel()
	db := open(t, t.TempDir())
	ctx := t.Context()
	ok(t, db.SetClaim(ctx, hash(1), noon.Add(time.Minute)))
	ok(t, db.SetClaim(ctx, hash(2), noon.Add(time.Minute))) // a newer one replaces it
	owner := account("Ann", store.RoleOwner)
	owner.ID = must[store.ID](t)(db.NewID(noon))
	session := &store.Session{IDHash: hash(9), User: owner.ID, Expires: noon.Add(time.Hour), Addr: "192.0.2.1"}
	wantCode(t, db.CreateUser(ctx, owner, nil, hash(1), session), store.Conflict)
	if users := must[[]store.User](t)(db.Users(ctx)); len(users) != 0 {
		t.Fatalf("users are %+v", users)
	}
	ok(t, db.CreateUser(ctx, owner, [][]byte{hash(3), hash(4)}, hash(2), session))
	if got := must[store.User](t)(db.UserByName(ctx, "aNN")); got.ID != owner.ID || got.Role != "owner" || !got.Created.Equal(noon) {
		t.Errorf("the owner is %+v", got)
	}
	s, u, err := db.Session(ctx, hash(9))
	if err != nil || s.User != owner.ID || u.Name != "Ann" || !s.LastSeen.Equal(noon) {
		t.Errorf("the session is %+v of %+v, %v", s, u, err)
	}
	// The way is closed behind the first.
	wantCode(t, db.SetClaim(ctx, hash(5), noon.Add(time.Minute)), store.Conflict)
	_, _, err = db.Claim(ctx)
	wantCode(t, err, store.NotFound)
	wantCode(t, db.CreateUser(ctx, account("Eve", store.RoleOwner), nil, hash(2), nil), store.Conflict)
	wantCode(t, db.CreateUser(ctx, account("ann", store.RoleViewer), nil, nil, nil), store.Conflict)
}

func TestClaimRunsOut(t *testing.T) {
	t.Parallel()
	at := &clock{at: noon}
	db := must[*store.DB](t)(store.Open(t.Context(), store.Config{Dir: t.TempDir(), Now: at.Now}))
	defer db.Close()
	ok(t, db.SetClaim(t.Context(), hash(1), noon.Add(time.Minute)))
	at.Add(time.Minute)
	wantCode(t, db.CreateUser(t.Context(), account("Ann", store.RoleOwner), nil, hash(1), nil), store.Conflict)
}

func TestClaimRace(t *testing.T) {
	t.Parallel()
	db := open(t, t.TempDir())
	ok(t, db.SetClaim(t.Context(), hash(1), noon.Add(time.Minute)))
	won := race(func(i int) error {
		return db.CreateUser(t.Context(), account(string(rune('a'+i)), store.RoleOwner), nil, hash(1), nil)
	})
	if users := must[[]store.User](t)(db.Users(t.Context())); won != 1 || len(users) != 1 {
		t.Errorf("%d claims won, %d owners", won, len(users))
	}
}

// race calls try eight times at once and counts those without error.
func race(try func(i int) error) (won int) {
	var mu sync.Mutex
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			if try(i) == nil {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return won
}

func TestSecondFactorOnce(t *testing.T) {
	t.Parallel()
	db := open(t, t.TempDir())
	ctx := t.Context()
	ok(t, db.CreateUser(ctx, account("Ann", store.RoleOwner), [][]byte{hash(3), hash(4)}, nil, nil))
	ann := must[store.User](t)(db.UserByName(ctx, "Ann"))
	session := func(seed byte) store.Session {
		return store.Session{IDHash: hash(seed), User: ann.ID, Expires: noon.Add(time.Hour)}
	}
	wantCode(t, db.SignIn(ctx, session(10), 10, nil), store.Denied) // the step of the enrolment
	if won := race(func(i int) error { return db.SignIn(ctx, session(byte(20+i)), 11, nil) }); won != 1 {
		t.Errorf("a code worked %d times", won)
	}
	if won := race(func(i int) error { return db.SignIn(ctx, session(byte(40+i)), 0, hash(3)) }); won != 1 {
		t.Errorf("a recovery code worked %d times", won)
	}
	wantCode(t, db.SignIn(ctx, session(60), 0, hash(99)), store.Denied)
	if left := must[int](t)(db.RecoveryLeft(ctx, ann.ID)); left != 1 {
		t.Errorf("%d recovery codes left", left)
	}
	all := must[[]store.Session](t)(db.Sessions(ctx, ann.ID))
	if len(all) != 2 {
		t.Fatalf("sessions are %+v", all)
	}
	ok(t, db.TouchSession(ctx, all[0].IDHash, noon.Add(time.Minute)))
	if n := must[int](t)(db.EndSessions(ctx, ann.ID, all[0].IDHash)); n != 1 {
		t.Errorf("%d sessions ended", n)
	}
	if n := must[int](t)(db.PurgeSessions(ctx, noon, noon)); n != 0 {
		t.Errorf("%d sessions purged too early", n)
	}
	if n := must[int](t)(db.PurgeSessions(ctx, noon.Add(time.Hour), noon)); n != 1 {
		t.Errorf("%d idle sessions purged", n)
	}
	ok(t, db.EndSession(ctx, all[0].IDHash))
}

func TestChangesSignOut(t *testing.T) {
	t.Parallel()
	db := open(t, t.TempDir())
	ctx := t.Context()
	ok(t, db.CreateUser(ctx, account("Ann", store.RoleOwner), nil, nil, nil))
	ok(t, db.CreateUser(ctx, account("Bob", store.RoleViewer), nil, nil, nil))
	bob := must[store.User](t)(db.UserByName(ctx, "Bob"))
	disabled, viewer := true, store.RoleViewer
	for i, change := range []func() error{
		func() error { return db.SetPassword(ctx, bob.ID, "$argon2id$new") },
		func() error { return db.SetTOTP(ctx, bob.ID, []byte("new"), 12, [][]byte{hash(7)}) },
		func() error { return db.ChangeUser(ctx, bob.ID, store.UserChange{Disabled: &disabled}) },
	} {
		ok(t, db.SignIn(ctx, store.Session{IDHash: hash(byte(i)), User: bob.ID, Expires: noon.Add(time.Hour)}, int64(20+i), nil))
		ok(t, change())
		if all := must[[]store.Session](t)(db.Sessions(ctx, bob.ID)); len(all) != 0 {
			t.Errorf("change %d leaves sessions %+v", i, all)
		}
	}
	wantCode(t, db.SignIn(ctx, store.Session{IDHash: hash(50), User: bob.ID, Expires: noon.Add(time.Hour)}, 99, nil), store.Denied)
	ann := must[store.User](t)(db.UserByName(ctx, "Ann"))
	wantCode(t, db.ChangeUser(ctx, ann.ID, store.UserChange{Disabled: &disabled}), store.Conflict)
	wantCode(t, db.ChangeUser(ctx, ann.ID, store.UserChange{Role: &viewer}), store.Conflict)
	wantCode(t, db.DeleteUser(ctx, ann.ID), store.Conflict)
	ok(t, db.DeleteUser(ctx, bob.ID))
	wantCode(t, db.SetPassword(ctx, bob.ID, "x"), store.NotFound)
}

func TestThrottles(t *testing.T) {
	t.Parallel()
	db := open(t, t.TempDir())
	ctx := t.Context()
	row := store.Throttle{Key: "user:ann", Fails: 4, Until: noon.Add(time.Minute), Last: noon}
	ok(t, db.SetThrottle(ctx, row))
	row.Fails = 5
	ok(t, db.SetThrottle(ctx, row))
	if got := must[[]store.Throttle](t)(db.Throttles(ctx, "user:bob", "user:ann")); len(got) != 1 || got[0] != row {
		t.Errorf("throttles are %+v", got)
	}
	ok(t, db.PurgeThrottle(ctx, noon))
	if got := must[[]store.Throttle](t)(db.Throttles(ctx, "user:ann")); len(got) != 1 {
		t.Error("purged too early")
	}
	ok(t, db.ClearThrottle(ctx, "user:ann"))
	if got := must[[]store.Throttle](t)(db.Throttles(ctx, "user:ann")); len(got) != 0 {
		t.Errorf("throttles are %+v", got)
	}
}

func TestVaultsAndGrants(t *testing.T) {
	t.Parallel()
	db := open(t, t.TempDir())
	ctx := t.Context()
	_, err := db.Vault(ctx, store.ID{})
	wantCode(t, err, store.NotFound)
	ok(t, db.CreateUser(ctx, account("Ann", store.RoleOwner), nil, nil, nil))
	ann := must[store.User](t)(db.UserByName(ctx, "Ann"))
	grant := store.Grant{User: ann.ID, Kind: "passphrase", Wrapped: []byte("age-encryption.org/v1 …")}
	first := must[store.Vault](t)(db.CreateVault(ctx, store.Vault{Name: "Home", Type: "hybrid", Recipient: "age1pq1a"}, grant))
	if !first.Default {
		t.Error("the first vault is not the default")
	}
	_, err = db.CreateVault(ctx, store.Vault{Name: "Copy", Type: "hybrid", Recipient: "age1pq1a"}, grant)
	wantCode(t, err, store.Conflict)
	second := must[store.Vault](t)(db.CreateVault(ctx, store.Vault{Name: "Next", Type: "x25519", Recipient: "age1b", Default: true}))
	if got := must[store.Vault](t)(db.Vault(ctx, store.ID{})); got.ID != second.ID {
		t.Errorf("the default is %+v", got)
	}
	device := must[store.Grant](t)(db.AddGrant(ctx, store.Grant{Vault: first.ID, User: ann.ID, Kind: "device", Label: "Phone", Wrapped: []byte("w")}))
	if all := must[[]store.Grant](t)(db.Grants(ctx, first.ID, ann.ID)); len(all) != 2 || all[1].Label != "Phone" || !bytes.Equal(all[0].Wrapped, grant.Wrapped) {
		t.Errorf("grants are %+v", all)
	}
	ok(t, db.RevokeGrant(ctx, device.ID))
	wantCode(t, db.RevokeGrant(ctx, device.ID), store.NotFound)
	if all := must[[]store.Grant](t)(db.Grants(ctx, store.ID{}, store.ID{})); len(all) != 1 {
		t.Errorf("grants are %+v", all)
	}
	_, err = db.AddGrant(ctx, store.Grant{Vault: first.ID, User: ann.ID, Kind: "open", Wrapped: []byte("w")})
	wantCode(t, err, store.Invalid)
}

func TestCameras(t *testing.T) {
	t.Parallel()
	db := open(t, t.TempDir())
	ctx := t.Context()
	for what, c := range map[string]store.Camera{
		"a password in the address": store.NewCamera("A", "rtsp://me:secret@192.0.2.7/"),
		"no host":                   store.NewCamera("A", "rtsp:///main"),
		"a sub-stream elsewhere":    {Name: "A", URL: "rtsp://192.0.2.7/", SubURL: "rtsp://192.0.2.8/"},
		"a sub-stream without TLS":  {Name: "A", URL: "rtsps://192.0.2.7/", SubURL: "rtsp://192.0.2.7/"},
		"ONVIF elsewhere":           {Name: "A", URL: "rtsp://192.0.2.7/", ONVIF: "http://192.0.2.8/"},
		"another scheme":            store.NewCamera("A", "http://192.0.2.7/"),
		"broken":                    store.NewCamera("A", "rtsp://me:secret@[::1"),
		"no name":                   store.NewCamera("", "rtsp://192.0.2.7/"),
		"a line break":              store.NewCamera("A\nB", "rtsp://192.0.2.7/"),
		"space":                     store.NewCamera(" A", "rtsp://192.0.2.7/"),
		"no mode":                   {Name: "A", URL: "rtsp://192.0.2.7/", Trust: store.TrustPlain, Transport: "auto"},
	} {
		_, err := db.CreateCamera(ctx, c)
		if store.ErrorCode(err) != store.Invalid || bytes.Contains([]byte(err.Error()), []byte("secret")) {
			t.Errorf("%s gives %v", what, err)
		}
	}
	front := store.NewCamera("Front", "rtsps://192.0.2.7:322/main?a=b@c")
	front.Secret, front.Pin, front.RetentionDays = []byte("sealed"), hash(1), 14
	front = must[store.Camera](t)(db.CreateCamera(ctx, front))
	must[store.Camera](t)(db.CreateCamera(ctx, store.NewCamera("Back", "rtsp://192.0.2.8/")))
	_, err := db.CreateCamera(ctx, store.NewCamera("FRONT", "rtsp://192.0.2.9/"))
	wantCode(t, err, store.Conflict)
	got := must[store.Camera](t)(db.Camera(ctx, front.ID))
	if got.PreRoll != 5*time.Second || got.RetentionDays != 14 || !bytes.Equal(got.Pin, hash(1)) || string(got.Secret) != "sealed" || got.Position != 1 {
		t.Errorf("stored as %+v", got)
	}
	_, err = db.UpdateCamera(ctx, front.ID, func(c *store.Camera) error { c.Name = "back"; return nil })
	wantCode(t, err, store.Conflict)
	changed := must[store.Camera](t)(db.UpdateCamera(ctx, front.ID, func(c *store.Camera) error {
		c.Mode, c.RetentionDays, c.Position, c.Secret = store.ModeEvent, 0, 9, nil
		return nil
	}))
	if changed.Mode != store.ModeEvent || changed.RetentionDays != 0 || changed.Secret != nil || changed.Name != "Front" {
		t.Errorf("changed to %+v", changed)
	}
	if all := must[[]store.Camera](t)(db.Cameras(ctx)); len(all) != 2 || all[0].Name != "Back" {
		t.Errorf("cameras are %+v", all)
	}
}
