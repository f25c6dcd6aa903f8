package store

import (
	"context"
	"time"
)

// Rate is how often something may be done: Burst times at once after a pause, and one more time each Every.
type Rate struct {
	Key   string
	Every time.Duration
	Burst int
}

// TakeRates counts one act at now in all rates, or in none where one of them is used up; it then says how long to wait, and otherwise 0.
// This is the generic cell rate algorithm (ITU-T I.371, virtual scheduling): a key needs one time, and none that has passed.
func (db *DB) TakeRates(ctx context.Context, now time.Time, rates ...Rate) (wait time.Duration, err error) {
	err = db.write(ctx, func(t *tx) error {
		wait = 0
		due := make([]time.Time, len(rates))
		for i, r := range rates {
			found, err := list(t, func(row scanner) (at time.Time, err error) {
				return at, row.Scan(instant{&at})
			}, `SELECT due FROM rate WHERE key = ?`, r.Key)
			if err != nil {
				return err
			}
			full := now.Add(time.Duration(r.Burst) * r.Every)
			due[i] = now
			// What is later than a full burst was counted under a clock that ran ahead: nobody is to wait for 2099.
			if len(found) > 0 && found[0].After(now) && !found[0].After(full) {
				due[i] = found[0]
			}
			due[i] = due[i].Add(r.Every)
			wait = max(wait, due[i].Sub(full))
		}
		if wait > 0 {
			return nil
		}
		for i, r := range rates {
			if _, err := t.exec(`INSERT INTO rate (key, due) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET due = ?2`, r.Key, micros(due[i])); err != nil {
				return err
			}
		}
		return nil
	})
	return wait, err
}

// PurgeRates forgets what is of no more use at now, and what was counted under a clock that ran ahead of until.
func (db *DB) PurgeRates(ctx context.Context, now, until time.Time) error {
	_, err := db.take(ctx, `DELETE FROM rate WHERE due <= ? OR due > ?`, micros(now), micros(until))
	return err
}
