package store

import (
	"context"
	"encoding/json"
	"time"
)

// DeviceState says how far a pairing has come.
type DeviceState string

// The states of a device. Pending ones were cut off and are dropped at the next start; activating ones are asked after, since
// the camera may have heard of its activation.
const (
	DevicePending    DeviceState = "pending"
	DeviceActivating DeviceState = "activating"
	DeviceActive     DeviceState = "active"
	DeviceRevoked    DeviceState = "revoked"
)

// Device is a camera that was paired. A camera that is paired again is another device.
type Device struct {
	ID      ID
	Camera  ID // zero = none yet
	State   DeviceState
	SPKI    []byte // SHA-256
	Address string // host:port
	Name    string
	Model   string
	Leaf    []byte // DER
	Bundle  uint64
	// Enrolment is what was put on a camera over ONVIF, a JSON object; nil for a camera agent.
	Enrolment json.RawMessage
	Created   time.Time
	// Activated, Synced and Revoked are zero where that has not happened.
	Activated, Synced, Revoked time.Time
}

const deviceColumns = `SELECT d.id, camera.id, d.state, d.spki, d.address, d.name, d.model, d.leaf, d.bundle, d.created, d.activated, d.synced, d.revoked, coalesce(d.enrolment, '')
	FROM device d LEFT JOIN camera ON camera.no = d.camera_no `

func scanDevice(row scanner) (d Device, err error) {
	var bundle int64
	var enrolment string
	err = row.Scan(&d.ID, &d.Camera, &d.State, &d.SPKI, &d.Address, &d.Name, &d.Model, &d.Leaf, &bundle,
		instant{&d.Created}, instant{&d.Activated}, instant{&d.Synced}, instant{&d.Revoked}, &enrolment)
	d.Bundle = uint64(bundle)
	if enrolment != "" {
		d.Enrolment = json.RawMessage(enrolment)
	}
	return d, err
}

func noDevice(id ID) error { return Errorf(NotFound, "there is no paired device %s", id) }

// AddDevice stores a device in state pending. Camera may name the camera that it is to replace the device of.
func (db *DB) AddDevice(ctx context.Context, d Device) error {
	if d.ID == (ID{}) || len(d.SPKI) != 32 {
		return Errorf(Invalid, "a device needs an identifier and a key")
	}
	return db.write(ctx, func(t *tx) error {
		var camera any
		if d.Camera != (ID{}) {
			no, err := cameraNo(t, d.Camera)
			if err != nil {
				return err
			}
			camera = no
		}
		_, err := t.exec(`INSERT INTO device (id, camera_no, state, spki, address, name, model, leaf, bundle, enrolment, created)
			VALUES (?, ?, 'pending', ?, ?, ?, ?, ?, ?, ?, ?)`,
			d.ID, camera, d.SPKI, d.Address, d.Name, d.Model, d.Leaf, int64(d.Bundle), enrolmentOrNull(d.Enrolment), micros(db.now()))
		return err
	})
}

// Devices lists the devices that are not revoked, the oldest first.
func (db *DB) Devices(ctx context.Context) (all []Device, err error) {
	err = db.read(ctx, func(t *tx) error {
		all, err = list(t, scanDevice, deviceColumns+`WHERE d.state <> 'revoked' ORDER BY d.no`)
		return err
	})
	return all, err
}

// RevokedDevices lists the devices that were active and were revoked since a time, the oldest first.
func (db *DB) RevokedDevices(ctx context.Context, since time.Time) (all []Device, err error) {
	err = db.read(ctx, func(t *tx) error {
		all, err = list(t, scanDevice, deviceColumns+`WHERE d.state = 'revoked' AND d.revoked >= ? ORDER BY d.no`, micros(since))
		return err
	})
	return all, err
}

// ActiveDevice gives the device that a camera is. NotFound for a camera that is not paired, or whose device was revoked.
func (db *DB) ActiveDevice(ctx context.Context, camera ID) (d Device, err error) {
	err = db.read(ctx, func(t *tx) error {
		found, err := list(t, scanDevice, deviceColumns+`WHERE d.state = 'active' AND camera.id = ?`, camera)
		if err == nil && len(found) == 0 {
			err = Errorf(NotFound, "the camera %s is not paired", camera)
		}
		if err == nil {
			d = found[0]
		}
		return err
	})
	return d, err
}

// BeginActivation moves a device from pending to activating: from here on the camera may be told. NotFound when it is not pending.
func (db *DB) BeginActivation(ctx context.Context, id ID) error {
	return db.write(ctx, func(t *tx) error {
		return t.change(noDevice(id), `UPDATE device SET state = 'activating' WHERE id = ? AND state = 'pending'`, id)
	})
}

// DropDevice forgets a device that did not become active. One that did is left alone.
func (db *DB) DropDevice(ctx context.Context, id ID) error {
	return db.write(ctx, func(t *tx) error {
		_, err := t.exec(`DELETE FROM device WHERE id = ? AND state IN ('pending', 'activating')`, id)
		return err
	})
}

// Activate makes an activating device the camera c, in one transaction: a new one where c.ID is zero, else an existing one gets
// c's addresses, controls, secret, pin and trust, and the device that it had is revoked. Doing it again changes nothing. NotFound, Conflict for a
// name that another camera has.
func (db *DB) Activate(ctx context.Context, id ID, c Camera) (out Camera, err error) {
	if err := c.Validate(); err != nil {
		return Camera{}, err
	}
	err = db.write(ctx, func(t *tx) error {
		found, err := list(t, scanDevice, deviceColumns+`WHERE d.id = ?`, id)
		if err != nil {
			return err
		}
		if len(found) == 0 || found[0].State == DevicePending || found[0].State == DeviceRevoked {
			return noDevice(id)
		}
		if found[0].State == DeviceActive {
			out, err = camera(t, found[0].Camera)
			return err
		}
		if c.ID == (ID{}) {
			if c.ID, err = db.NewID(db.now()); err != nil {
				return err
			}
			if err := insertCamera(t, c); err != nil {
				return err
			}
		} else {
			err := t.change(noCamera(c.ID), `UPDATE camera SET url = ?, pin = ?, trust = ?, secret = ?, sub_url = nullif(?, ''), onvif = nullif(?, ''),
				controls = ? WHERE id = ? AND removed IS NULL`,
				c.URL, blob(c.Pin), c.Trust, blob(c.Secret), c.SubURL, c.ONVIF, c.Controls, c.ID)
			if err != nil {
				return err
			}
			if err := revokeDevices(t, c.ID); err != nil {
				return err
			}
		}
		err = t.change(noDevice(id), `UPDATE device SET state = 'active', activated = ?1, synced = ?1, camera_no = (SELECT no FROM camera WHERE id = ?2) WHERE id = ?3`,
			micros(db.now()), c.ID, id)
		if err != nil {
			return err
		}
		out, err = camera(t, c.ID)
		return err
	})
	return out, err
}

// TouchDevice notes that an active device was spoken to, and what it holds since. NotFound for one that is not active.
func (db *DB) TouchDevice(ctx context.Context, id ID, leaf []byte, bundle uint64) error {
	return db.write(ctx, func(t *tx) error {
		return t.change(noDevice(id), `UPDATE device SET leaf = ?, bundle = ?, synced = ? WHERE id = ? AND state = 'active'`,
			leaf, int64(bundle), micros(db.now()), id)
	})
}

// SetEnrolment notes what is on a camera that is being enrolled or is enrolled, with the leaf and the bundle that it has since. NotFound for a
// revoked one.
func (db *DB) SetEnrolment(ctx context.Context, id ID, enrolment json.RawMessage, leaf []byte, bundle uint64) error {
	return db.write(ctx, func(t *tx) error {
		return t.change(noDevice(id), `UPDATE device SET enrolment = ?, leaf = ?, bundle = ? WHERE id = ? AND state <> 'revoked'`,
			enrolmentOrNull(enrolment), leaf, int64(bundle), id)
	})
}

func enrolmentOrNull(text json.RawMessage) any {
	if len(text) == 0 {
		return nil
	}
	return string(text)
}

// RevokeDevice takes the device of a camera back for good. NotFound where it has none.
func (db *DB) RevokeDevice(ctx context.Context, camera ID) error {
	return db.write(ctx, func(t *tx) error {
		return t.change(Errorf(NotFound, "the camera %s is not paired", camera),
			`UPDATE device SET state = 'revoked', revoked = ? WHERE state = 'active' AND camera_no = (SELECT no FROM camera WHERE id = ?)`, micros(db.now()), camera)
	})
}

// revokeDevices is RevokeDevice where there may be none.
func revokeDevices(t *tx, camera ID) error {
	_, err := t.exec(`UPDATE device SET state = 'revoked', revoked = ? WHERE state = 'active' AND camera_no = (SELECT no FROM camera WHERE id = ?)`,
		micros(t.db.now()), camera)
	return err
}
