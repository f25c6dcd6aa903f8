package check

import (
	"context"
	"time"

	"github.com/oklog/ulid/v2"
)

// row is one that is checked together with its file while the program may be at work on both.
type row[R any] interface {
	*R
	key() ulid.ULID
	same(*R) bool
}

// settle inspects rows until what is wrong with them is not a matter of timing: what looks wrong twice, with the same row and some
// time in between for the file to follow, is wrong. read gives a row as it is now.
func settle[R any, P row[R]](
	ctx context.Context, c *checker, rows []R, inspect func(context.Context, P) ([]Fault, error), read func(context.Context, ulid.ULID) (R, bool, error),
) error {
	var suspects []R
	for i := range rows {
		faults, err := inspect(ctx, &rows[i])
		if err != nil {
			return err
		}
		if len(faults) > 0 {
			suspects = append(suspects, rows[i])
		}
	}
	if len(suspects) == 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(settlingDelay):
	}
	var changed []R
	for i := range suspects {
		before := P(&suspects[i])
		now, found, err := read(ctx, before.key())
		if err != nil {
			return err
		}
		switch {
		case !found: // deleted meanwhile
		case !P(&now).same(&suspects[i]):
			changed = append(changed, now)
		default:
			faults, err := inspect(ctx, &now)
			if err != nil {
				return err
			}
			if c.faults = append(c.faults, faults...); len(c.faults) >= maxFaults {
				return errEnough
			}
		}
	}
	if len(changed) == 0 {
		return nil
	}
	return settle(ctx, c, changed, inspect, read)
}
