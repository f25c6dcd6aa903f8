package nvr

import (
	"context"
	"time"

	"cardea/nvr/syslog"
	"cardea/store"
)

// syslogPatience is how long a collector may be away before there is an alarm.
const syslogPatience = 10 * time.Minute

// Syslog gives where the logs are sent to, and how that goes.
func (n *NVR) Syslog(ctx context.Context) (syslog.Settings, syslog.State, error) {
	settings, err := n.logs.syslog.Settings(ctx)
	if err != nil {
		return settings, syslog.State{}, err
	}
	state, err := n.logs.syslog.State(ctx)
	return settings, state, err
}

// SetSyslog changes it. An empty address switches off.
func (n *NVR) SetSyslog(ctx context.Context, actor store.Actor, s syslog.Settings) error {
	if err := n.note(ctx, actor, "syslog.change", store.Access{Object: s.Address}); err != nil {
		return err
	}
	return n.logs.syslog.Set(ctx, s)
}

// lookAtSyslog tells a person when the collector is away for long.
func (n *NVR) lookAtSyslog(ctx context.Context) error {
	state, err := n.logs.syslog.State(ctx)
	if err != nil {
		return err
	}
	away := state.Phase == "waiting" && n.clock.Now().Sub(state.Since) >= syslogPatience
	n.alarm("syslog", state.Detail+" The records wait here until it is back, or until their time is over.", away)
	return nil
}
