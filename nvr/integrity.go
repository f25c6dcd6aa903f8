package nvr

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"cardea/store"
	"cardea/store/check"
)

const (
	keyChecked = "check.last"
	checkEvery = 24 * time.Hour
	// checkSample is how many clips are read and hashed each time; `cardea verify` reads all of them.
	checkSample = 20
)

// watchIntegrity holds index, clips and logs against each other once a day, until ctx is done.
func (n *NVR) watchIntegrity(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Minute) // also the quiet time after a start
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		due, err := n.checkDue(ctx)
		if err == nil && due {
			err = n.checkIntegrity(ctx)
		}
		if err != nil && ctx.Err() == nil {
			n.log.WarnContext(ctx, "index, clips and logs are not checked", "error", err)
		}
	}
}

func (n *NVR) checkDue(ctx context.Context) (bool, error) {
	text, err := n.db.Setting(ctx, keyChecked)
	if store.ErrorCode(err) == store.NotFound {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	last, err := strconv.ParseInt(text, 10, 64)
	return n.clock.Now().Sub(time.Unix(last, 0)).Abs() >= checkEvery, err
}

// checkIntegrity does what `cardea verify --quick` does, and reads some clips. What it finds is an alarm until a later one finds nothing.
func (n *NVR) checkIntegrity(ctx context.Context) error {
	faults, err := check.Run(ctx, check.Config{Dir: n.db.Dir(), Clips: n.cfg.Clips.Dir(), Quick: true, Sample: checkSample})
	if err != nil {
		return err
	}
	if len(faults) == 0 {
		n.alarm("integrity", "", false)
	} else {
		detail := fmt.Sprintf("The daily check found that something was changed or lost: %s.", faults[0])
		if len(faults) > 1 {
			detail = fmt.Sprintf("%s There are %d faults; `cardea verify` lists all.", detail, len(faults))
		}
		n.alarm("integrity", detail, true)
	}
	return n.db.PutSettings(ctx, map[string]string{keyChecked: strconv.FormatInt(n.clock.Now().Unix(), 10)})
}
