package store_test

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"cardea/store"
	"cardea/store/migration"
)

var update = flag.Bool("update", false, "write testdata/vN.db for the newest schema, where there is none yet")

// entropy is randomness that is the same each time.
type entropy struct{ *rand.ChaCha8 }

// goldenStore puts a little of everything into a store, the same each time.
func goldenStore(t *testing.T, dir string) {
	t.Helper()
	ctx := t.Context()
	db, err := store.Open(ctx, store.Config{Dir: dir, Now: (&clock{at: noon}).Now, Entropy: entropy{rand.NewChaCha8([32]byte{1})}})
	ok(t, err)
	ok(t, db.SetClaim(ctx, hash(1), noon.Add(time.Minute)))
	ok(t, db.CreateUser(ctx, account("Ann", store.RoleOwner), [][]byte{hash(2), hash(3)}, hash(1), nil))
	ann := must[store.User](t)(db.UserByName(ctx, "Ann"))
	ok(t, db.SignIn(ctx, store.Session{IDHash: hash(4), User: ann.ID, Expires: noon.Add(time.Hour), Addr: "192.0.2.1", Agent: "Browser"}, 11, nil))
	ok(t, db.SetThrottle(ctx, store.Throttle{Key: "user:ann", Fails: 2, Until: noon, Last: noon}))
	must[time.Duration](t)(db.TakeRates(ctx, noon, store.Rate{Key: "sign-in user:ann", Every: time.Second, Burst: 2}))
	vault := must[store.Vault](t)(db.CreateVault(ctx, store.Vault{Name: "Home", Type: "hybrid", Recipient: "age1pq1example"},
		store.Grant{User: ann.ID, Kind: "passphrase", Label: "Ann", Wrapped: []byte("age-encryption.org/v1")}))
	front := store.NewCamera("Front door", "rtsps://192.0.2.7:322/main")
	front.Trust, front.Pin, front.Secret, front.RetentionDays = store.TrustPinned, hash(5), []byte("sealed"), 14
	h := &house{db, vault, must[store.Camera](t)(db.CreateCamera(ctx, front))}
	for i := range 3 {
		h.record(t, noon.Add(minutes(i)), 60)
	}
	torn := h.begin(t, noon.Add(minutes(3)))
	sum := sha256.Sum256([]byte("torn"))
	must[store.Clip](t)(db.SettleTorn(ctx, store.ClosedClip{Clip: torn.ID, Parts: seconds(torn.Start, 0, 5).Parts, End: torn.Start.Add(5 * time.Second), Plain: 5900, Bytes: 7000, SHA256: sum[:]}))
	open := h.begin(t, noon.Add(minutes(4)))
	add := seconds(open.Start, 0, 2)
	add.Clip = open.ID
	ok(t, db.AppendParts(ctx, []store.ClipParts{add}))
	must2(t)(db.DeleteClips(ctx, []store.ID{must[[]store.Clip](t)(db.Oldest(ctx, store.OldestQuery{Limit: 1}))[0].ID}, "age"))
	ok(t, db.AddGap(ctx, store.Gap{Camera: h.camera.ID, Start: noon.Add(minutes(-9)), End: noon, Reason: store.GapOff, Detail: "Cardea was not running."}))
	must[store.Event](t)(db.AddEvent(ctx, store.Event{Camera: h.camera.ID, Kind: "motion", Start: noon, End: noon.Add(minutes(1)), Source: "recorder", Labels: []string{"person"}}))
	ok(t, db.PutCursor(ctx, "mqtt", 1))
	ok(t, db.PutSettings(ctx, map[string]string{"retention.days": "30"}))
	must[store.Token](t)(db.AddToken(ctx, store.Token{User: ann.ID, Name: "Home Assistant", Hash: hash(6), Scopes: []string{"read", "media"}, Expires: noon.Add(time.Hour)}))
	must[store.Invitation](t)(db.AddInvitation(ctx, store.Invitation{TokenHash: hash(7), Name: "Bob", Role: store.RoleViewer, Restricted: true, Cameras: []store.ID{h.camera.ID}, Inviter: "Ann", Expires: noon.Add(time.Hour)}))
	phone := must[store.Passkey](t)(db.AddPasskey(ctx, store.Passkey{User: ann.ID, Credential: hash(8), Record: []byte(`{}`), Name: "Phone", PRF: true}))
	must[store.Grant](t)(db.AddGrant(ctx, store.Grant{Vault: vault.ID, User: ann.ID, Kind: "passkey", Passkey: phone.ID, Label: "Phone", Wrapped: []byte("sealed")}))
	ok(t, db.SetPasskeyPersonal(ctx, ann.ID, phone.ID, []byte("sealed")))
	_, _, err = db.UseApproval(ctx, store.Approval{Act: "user.remove", Object: "x", About: "x", User: ann.ID, Expires: noon.Add(time.Hour)})
	ok(t, err)
	ok(t, db.Close())
}

// TestGolden opens a database of every schema that was ever released. The files in testdata are kept for ever and never made
// again; a new schema gets a new one (go test -run TestGolden -update).
func TestGolden(t *testing.T) {
	t.Parallel()
	latest := must[int](t)(migration.Latest())
	names := must[[]string](t)(filepath.Glob("testdata/v*.db"))
	newest := filepath.Join("testdata", fmt.Sprintf("v%d.db", latest))
	if _, err := os.Stat(newest); *update && os.IsNotExist(err) {
		dir := t.TempDir()
		goldenStore(t, dir)
		db := open(t, dir)
		ok(t, db.Snapshot(t.Context(), newest))
		names = append(names, newest)
	}
	if len(names) != latest {
		t.Fatalf("%d golden databases for %d schemas: run go test -run TestGolden -update", len(names), latest)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			dir := t.TempDir()
			ok(t, os.WriteFile(filepath.Join(dir, store.FileName), must[[]byte](t)(os.ReadFile(name)), 0o600))
			db := open(t, dir)
			ctx := t.Context()
			cameras := must[[]store.Camera](t)(db.Cameras(ctx))
			if len(cameras) != 1 || cameras[0].Name != "Front door" || cameras[0].Trust != store.TrustPinned || cameras[0].RetentionDays != 14 ||
				!bytes.Equal(cameras[0].Pin, hash(5)) || string(cameras[0].Secret) != "sealed" || cameras[0].PreRoll != 5*time.Second {
				t.Fatalf("cameras are %+v", cameras)
			}
			clips := must[[]store.Clip](t)(db.Clips(ctx, store.ClipQuery{Camera: cameras[0].ID}))
			if len(clips) != 4 || clips[0].State != store.ClipClosed || clips[2].State != store.ClipTorn || clips[3].State != store.ClipOpen {
				t.Fatalf("clips are %+v", clips)
			}
			for i, parts := range []int{60, 60, 5, 2} {
				if clip := must[store.Clip](t)(db.Clip(ctx, clips[i].ID)); len(clip.Parts) != parts || clip.Codecs != "avc1.64001f,mp4a.40.2" {
					t.Errorf("clip %d is %+v", i, clip)
				}
			}
			use := must[[]store.Usage](t)(db.Usage(ctx))
			if use[0].Clips != 4 || use[0].Bytes != 2*61200+7000 {
				t.Errorf("usage is %+v", use)
			}
			garbage := must[[]store.Garbage](t)(db.Garbage(ctx, 10))
			gaps := must[[]store.Gap](t)(db.Gaps(ctx, cameras[0].ID, time.Time{}, time.Time{}))
			events := must[[]store.Event](t)(db.EventsAfter(ctx, 0, 10))
			if len(garbage) != 1 || len(gaps) != 1 || gaps[0].Reason != store.GapOff || len(events) != 1 || events[0].Labels[0] != "person" {
				t.Errorf("garbage %+v, gaps %+v, events %+v", garbage, gaps, events)
			}
			ann := must[store.User](t)(db.UserByName(ctx, "ann"))
			grants := must[[]store.Grant](t)(db.Grants(ctx, store.ID{}, ann.ID))
			if ann.TOTPLastStep != 11 || must[int](t)(db.RecoveryLeft(ctx, ann.ID)) != 2 || len(grants) == 0 || grants[0].Label != "Ann" {
				t.Errorf("user %+v, grants %+v", ann, grants)
			}
			for _, g := range grants[1:] { // since schema 9
				phone := must[[]store.Passkey](t)(db.Passkeys(ctx, ann.ID))[0]
				if g.Kind != "passkey" || g.Passkey != phone.ID || string(phone.Personal) != "sealed" {
					t.Errorf("grant %+v of passkey %+v", g, phone)
				}
			}
			if s, _, err := db.Session(ctx, hash(4)); err != nil || s.Agent != "Browser" {
				t.Errorf("session is %+v, %v", s, err)
			}
			if vault := must[store.Vault](t)(db.Vault(ctx, store.ID{})); vault.Recipient != "age1pq1example" {
				t.Errorf("vault is %+v", vault)
			}
			// An old schema that was brought up to date is the schema of a new database. A migration that has been released
			// and is edited afterwards is found here.
			fresh := t.TempDir()
			ok(t, open(t, fresh).Close())
			if got, want := schema(t, dir), schema(t, fresh); got != want {
				t.Errorf("the schema is\n%s\nwant\n%s", got, want)
			}
			// Whatever its age, it can be worked with.
			h := &house{db, must[store.Vault](t)(db.Vault(ctx, store.ID{})), cameras[0]}
			h.record(t, noon.Add(minutes(10)), 60)
		})
	}
}

// schema is the text of all tables, indexes and triggers.
func schema(t *testing.T, dir string) (text string) {
	t.Helper()
	ok(t, raw(t, filepath.Join(dir, store.FileName)).QueryRow(
		`SELECT group_concat(sql, ';' || char(10)) FROM (SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY type, name)`).Scan(&text))
	return text
}
