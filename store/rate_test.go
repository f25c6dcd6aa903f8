package store_test

import (
	"testing"
	"time"

	"cardea/store"
)

// TestRates: a burst, then the steady rate, over a restart; what one rate refuses is counted in none.
func TestRates(t *testing.T) {
	t.Parallel()
	dir, ctx := t.TempDir(), t.Context()
	db := open(t, dir)
	one := store.Rate{Key: "one", Every: 5 * time.Second, Burst: 3}
	wide := store.Rate{Key: "wide", Every: time.Second, Burst: 5}
	take := func(at time.Time, want time.Duration, rates ...store.Rate) {
		t.Helper()
		if got := must[time.Duration](t)(db.TakeRates(ctx, at, rates...)); got != want {
			t.Errorf("wait %v, want %v", got, want)
		}
	}
	for range 3 {
		take(noon, 0, one, wide)
	}
	take(noon, 5*time.Second, one, wide)
	ok(t, db.Close())
	db = open(t, dir)
	take(noon, 5*time.Second, one)
	take(noon, 0, wide)
	take(noon, 0, wide)
	take(noon, time.Second, wide)
	take(noon.Add(5*time.Second), 0, one)
	take(noon.Add(5*time.Second), 5*time.Second, one)
	take(noon.Add(-24*time.Hour), 0, one) // the clock ran ahead
	ok(t, db.PurgeRates(ctx, noon, noon.Add(time.Hour)))
	for range 3 {
		take(noon, 0, one)
	}
}
