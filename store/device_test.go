package store_test

import (
	"testing"

	"cardea/store"
)

func TestDevices(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := open(t, t.TempDir())
	device := func(n byte, camera store.ID) store.Device {
		t.Helper()
		d := store.Device{ID: must[store.ID](t)(db.NewID(noon)), Camera: camera, SPKI: hash(n), Address: "192.0.2.7:8322", Name: "Door", Leaf: []byte("leaf"), Bundle: 1}
		ok(t, db.AddDevice(ctx, d))
		return d
	}
	row := store.NewCamera("Door", "rtsps://192.0.2.7:8322/camera")
	row.Trust, row.Pin = store.TrustPaired, hash(1)

	first := device(1, store.ID{})
	if _, err := db.Activate(ctx, first.ID, row); store.ErrorCode(err) != store.NotFound {
		t.Errorf("a pending device becomes a camera: %v", err)
	}
	ok(t, db.BeginActivation(ctx, first.ID))
	if err := db.BeginActivation(ctx, first.ID); store.ErrorCode(err) != store.NotFound {
		t.Errorf("twice: %v", err)
	}
	camera := must[store.Camera](t)(db.Activate(ctx, first.ID, row))
	again := must[store.Camera](t)(db.Activate(ctx, first.ID, row))
	if camera.ID != again.ID || camera.Trust != store.TrustPaired {
		t.Errorf("%+v %+v", camera, again)
	}
	ok(t, db.DropDevice(ctx, first.ID))
	ok(t, db.TouchDevice(ctx, first.ID, []byte("new leaf"), 2))
	if d := must[store.Device](t)(db.ActiveDevice(ctx, camera.ID)); d.ID != first.ID || string(d.Leaf) != "new leaf" || d.Bundle != 2 || d.Synced.IsZero() || d.State != store.DeviceActive {
		t.Errorf("%+v", d)
	}

	// Paired again, it is another device, and the first one is taken back in the same step.
	second := device(2, camera.ID)
	ok(t, db.BeginActivation(ctx, second.ID))
	row.ID, row.Pin = camera.ID, hash(2)
	if c := must[store.Camera](t)(db.Activate(ctx, second.ID, row)); c.ID != camera.ID || c.Pin[0] != hash(2)[0] {
		t.Errorf("%+v", c)
	}
	if all := must[[]store.Device](t)(db.Devices(ctx)); len(all) != 1 || all[0].ID != second.ID {
		t.Errorf("%+v", all)
	}
	if err := db.TouchDevice(ctx, first.ID, nil, 3); store.ErrorCode(err) != store.NotFound {
		t.Errorf("a revoked device is touched: %v", err)
	}
	ok(t, db.RevokeDevice(ctx, camera.ID))
	if err := db.RevokeDevice(ctx, camera.ID); store.ErrorCode(err) != store.NotFound {
		t.Errorf("revoked twice: %v", err)
	}
	if _, err := db.ActiveDevice(ctx, camera.ID); store.ErrorCode(err) != store.NotFound {
		t.Errorf("%v", err)
	}
	third := device(3, store.ID{})
	ok(t, db.DropDevice(ctx, third.ID))
	ok(t, db.RemoveCamera(ctx, camera.ID, true))
	if all := must[[]store.Device](t)(db.RevokedDevices(ctx, noon)); len(all) == 0 || all[0].State != store.DeviceRevoked || all[0].Revoked.IsZero() {
		t.Errorf("revoked are %+v", all)
	}
	if all := must[[]store.Device](t)(db.RevokedDevices(ctx, noon.AddDate(100, 0, 0))); len(all) != 0 {
		t.Errorf("revoked in a hundred years are %+v", all)
	}
	if all := must[[]store.Device](t)(db.Devices(ctx)); len(all) != 0 {
		t.Errorf("%+v", all)
	}
}
