package store_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"cardea/store"
)

// TestRestrictedUser is attack case 45 of docs/attacks.md.
func TestRestrictedUser(t *testing.T) {
	t.Parallel()
	db := open(t, t.TempDir())
	ctx := t.Context()
	ok(t, db.CreateUser(ctx, account("Ann", store.RoleOwner), nil, nil, nil))
	front := must[store.Camera](t)(db.CreateCamera(ctx, store.NewCamera("Front", "rtsp://192.0.2.7/main")))
	back := must[store.Camera](t)(db.CreateCamera(ctx, store.NewCamera("Back", "rtsp://192.0.2.8/main")))
	bob := account("Bob", store.RoleViewer)
	bob.Restricted, bob.Cameras = true, []store.ID{front.ID, back.ID}
	ok(t, db.CreateUser(ctx, bob, nil, nil, nil))
	got := must[store.User](t)(db.UserByName(ctx, "bob"))
	if !got.Restricted || len(got.Cameras) != 2 || !slices.Contains(got.Cameras, back.ID) {
		t.Fatalf("Bob is %+v", got)
	}
	now := time.Now()
	ok(t, db.BeginSession(ctx, store.Session{IDHash: hash(1), User: got.ID, Expires: now.Add(time.Hour)}))
	change := store.UserChange{Sees: &struct {
		All     bool
		Cameras []store.ID
	}{Cameras: []store.ID{back.ID}}}
	ok(t, db.ChangeUser(ctx, got.ID, change))
	got = must[store.User](t)(db.User(ctx, got.ID))
	if !got.Restricted || len(got.Cameras) != 1 || got.Cameras[0] != back.ID {
		t.Fatalf("Bob is %+v", got)
	}
	if left := must[[]store.Session](t)(db.Sessions(ctx, got.ID)); len(left) != 0 {
		t.Error("a session outlived the change")
	}
	role := store.RoleViewer
	ann := must[store.User](t)(db.UserByName(ctx, "Ann"))
	wantCode(t, db.ChangeUser(ctx, ann.ID, store.UserChange{Role: &role}), store.Conflict)
}

func TestRenewSession(t *testing.T) {
	t.Parallel()
	db := open(t, t.TempDir())
	ctx := t.Context()
	ok(t, db.CreateUser(ctx, account("Ann", store.RoleOwner), nil, nil, nil))
	ann := must[store.User](t)(db.UserByName(ctx, "Ann"))
	now := time.Now()
	ok(t, db.SignIn(ctx, store.Session{IDHash: hash(1), SID: []byte("name"), User: ann.ID, Expires: now.Add(time.Hour)}, 100, nil))
	wantCode(t, db.RenewSession(ctx, hash(1), hash(2), now, ann.ID, store.Factor{Step: 100}), store.Denied)
	ok(t, db.RenewSession(ctx, hash(1), hash(2), now, ann.ID, store.Factor{Step: 101}))
	_, _, err := db.Session(ctx, hash(1))
	wantCode(t, err, store.NotFound)
	s, _, err := db.Session(ctx, hash(2))
	ok(t, err)
	if string(s.SID) != "name" || s.Verified.UnixMicro() != now.UnixMicro() {
		t.Errorf("session is %+v", s)
	}
}

// TestInvitationRace: an invitation makes one account, however often it is used at once.
func TestInvitationRace(t *testing.T) {
	t.Parallel()
	db := open(t, t.TempDir())
	ctx := t.Context()
	ok(t, db.CreateUser(ctx, account("Ann", store.RoleOwner), nil, nil, nil))
	v := store.Invitation{TokenHash: hash(1), Name: "Bob", Role: store.RoleViewer, Inviter: "Ann", Expires: time.Now().Add(time.Hour)}
	must[store.Invitation](t)(db.AddInvitation(ctx, v))
	_, err := db.AddInvitation(ctx, v)
	wantCode(t, err, store.Conflict)
	var wins, losses int
	var mu sync.Mutex
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			user := account("Bob", store.RoleViewer)
			user.ID = must[store.ID](t)(db.NewID(time.Now()))
			err := db.AcceptInvitation(ctx, hash(1), user, nil, store.Session{IDHash: hash(byte(10 + i)), User: user.ID, Expires: time.Now().Add(time.Hour)})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				wins++
			} else if store.ErrorCode(err) == store.NotFound {
				losses++
			}
		})
	}
	group.Wait()
	if wins != 1 || losses != 7 {
		t.Errorf("%d accounts, %d refusals", wins, losses)
	}
	_, err = db.AddInvitation(ctx, v)
	wantCode(t, err, store.Conflict)
}

func TestApproval(t *testing.T) {
	t.Parallel()
	db := open(t, t.TempDir())
	ctx := t.Context()
	for _, name := range []string{"Ann", "Bob"} {
		ok(t, db.CreateUser(ctx, account(name, store.RoleOwner), nil, nil, nil))
	}
	ann, bob := must[store.User](t)(db.UserByName(ctx, "Ann")), must[store.User](t)(db.UserByName(ctx, "Bob"))
	want := store.Approval{Act: "user.remove", Object: "x", About: "remove x", User: ann.ID, Expires: time.Now().Add(time.Hour)}
	first, used, err := db.UseApproval(ctx, want)
	ok(t, err)
	again, _, err := db.UseApproval(ctx, want)
	ok(t, err)
	if used || again.ID != first.ID {
		t.Fatal("a second request for the same")
	}
	wantCode(t, db.DecideApproval(ctx, first.ID, ann.ID, "Ann", true), store.Conflict)
	ok(t, db.DecideApproval(ctx, first.ID, bob.ID, "Bob", true))
	wantCode(t, db.DecideApproval(ctx, first.ID, bob.ID, "Bob", false), store.Conflict)
	got, used, err := db.UseApproval(ctx, want)
	ok(t, err)
	if !used || got.Decider != "Bob" || got.UserName != "Ann" {
		t.Fatalf("approval is %+v", got)
	}
	// It is good once.
	next, used, err := db.UseApproval(ctx, want)
	ok(t, err)
	if used || next.ID == first.ID {
		t.Fatal("an approval was used twice")
	}
}

// TestApprovalRunsOut: a request can be answered, and an approval used, in its time only. One that is given back is good for what is left of it.
func TestApprovalRunsOut(t *testing.T) {
	t.Parallel()
	at := &clock{at: noon}
	db := must[*store.DB](t)(store.Open(t.Context(), store.Config{Dir: t.TempDir(), Now: at.Now}))
	defer db.Close()
	ctx := t.Context()
	for _, name := range []string{"Ann", "Bob"} {
		ok(t, db.CreateUser(ctx, account(name, store.RoleOwner), nil, nil, nil))
	}
	ann, bob := must[store.User](t)(db.UserByName(ctx, "Ann")), must[store.User](t)(db.UserByName(ctx, "Bob"))
	ask := func(wantUsed bool) store.Approval {
		t.Helper()
		got, used, err := db.UseApproval(ctx, store.Approval{Act: "user.remove", Object: "x", About: "remove x", User: ann.ID, Expires: at.Now().Add(time.Hour)})
		ok(t, err)
		if used != wantUsed {
			t.Fatalf("used: %v, %+v", used, got)
		}
		return got
	}
	late := ask(false)
	at.Add(time.Hour)
	wantCode(t, db.DecideApproval(ctx, late.ID, bob.ID, "Bob", true), store.Conflict)
	request := ask(false)
	if request.ID == late.ID {
		t.Fatal("a request that has run out stands")
	}
	ok(t, db.DecideApproval(ctx, request.ID, bob.ID, "Bob", true))
	wantCode(t, db.ReturnApproval(ctx, request.ID), store.NotFound) // it was not used
	ask(true)
	ok(t, db.ReturnApproval(ctx, request.ID))
	if got := ask(true); got.ID != request.ID {
		t.Fatalf("used %+v", got)
	}
	ok(t, db.ReturnApproval(ctx, request.ID))
	at.Add(time.Hour)
	if got := ask(false); got.ID == request.ID {
		t.Fatal("an approval that has run out is used")
	}
}
