package nvr

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"cardea/nvr/syslog"
	"cardea/store"
	"cardea/store/tlog"
)

const (
	// keyLogDays is the setting for how long the contents of records are kept.
	keyLogDays     = "log.days"
	defaultLogDays = 30
	// heartbeat is the longest that a log is silent.
	heartbeat = time.Hour
	// sessionGap ends a viewing session: whoever opens the same clip again after it is recorded again. A live view is a new
	// one sooner, but a browser that reconnects is not.
	sessionGap  = 10 * time.Minute
	liveGap     = time.Minute
	maxSessions = 4096
	eraseBatch  = 2000
)

// logs are the trees of the tamper-evident logs. One that cannot be opened is nil: acts are recorded in the index all the same, and
// an alarm says so.
type logs struct {
	all    [2]*tlog.Log
	syslog *syslog.Exporter

	mu   sync.Mutex
	seen map[viewing]time.Time // when somebody was last given a clip or a live view
}

// viewing is who looks at what.
type viewing struct {
	user       store.ID
	name, addr string
	what       store.ID
	object     string
}

func (l *logs) get(name store.LogName) *tlog.Log { return l.all[name-store.LogAccess] }

// LogDir is where a log is, in the data directory dir.
func LogDir(dir string, name store.LogName) string { return filepath.Join(dir, "log", name.String()) }

// logOrigin names a log for ever.
func logOrigin(id store.ID, name store.LogName) string {
	return "cardea.local/" + id.String() + "/" + name.String()
}

// openLogs opens both logs before anything is appended to them in this run.
func (n *NVR) openLogs(ctx context.Context) error {
	host, _ := os.Hostname() // without one the messages have none
	n.logs.syslog = syslog.New(syslog.Config{DB: n.db, Host: host, Now: n.clock.Now, Log: n.log})
	n.logs.seen = map[viewing]time.Time{}
	for i := range n.logs.all {
		name := store.LogAccess + store.LogName(i)
		log, err := tlog.Open(tlog.Config{
			Dir: LogDir(n.db.Dir(), name), KeyFile: filepath.Join(n.db.Dir(), "keys", "log-"+name.String()+".key"),
			Origin: logOrigin(n.db.ID(), name), Source: n.db.LogSource(name), Log: n.log,
		})
		var size int64
		if err == nil {
			size = log.Checkpoint().Size
			err = n.knownKey(ctx, name, log.Key())
		}
		if err != nil {
			n.logAlarm(name, err)
		} else {
			n.logs.all[i] = log
		}
		lost, err := n.db.StartLog(ctx, name, size)
		if err != nil {
			return fmt.Errorf("start the %s log: %w", name, err)
		}
		if lost > 0 {
			n.alarm("log-lost", fmt.Sprintf("The index was rolled back: %d records of the %s log are missing in it. If you have not restored an older copy, somebody else has.", lost, name), true)
		}
	}
	return nil
}

// knownKey remembers the public key of a log and refuses another one.
func (n *NVR) knownKey(ctx context.Context, name store.LogName, key string) error {
	setting := store.KeyLogVKey(name)
	known, err := n.db.Setting(ctx, setting)
	switch {
	case store.ErrorCode(err) == store.NotFound:
		return n.db.PutSettings(ctx, map[string]string{setting: key})
	case err == nil && known != key:
		return tlog.ErrKey
	}
	return err
}

func (n *NVR) logAlarm(name store.LogName, err error) {
	if err == nil {
		n.alarm("log-"+name.String(), "", false)
		return
	}
	n.alarm("log-"+name.String(), fmt.Sprintf("The %s log cannot be carried on: %v. Run `cardea verify` to see what is wrong with it.", name, err), true)
}

// keepLogs lets the trees follow the index until ctx is done, and keeps silence and old records out of them.
func (n *NVR) keepLogs(ctx context.Context) error {
	var g errgroup.Group
	for i, log := range n.logs.all {
		if log == nil {
			continue
		}
		g.Go(func() error {
			news, stop := n.db.FollowLog()
			defer stop()
			return log.Run(ctx, news, func(err error) {
				if !errors.Is(err, context.Canceled) {
					n.logAlarm(store.LogAccess+store.LogName(i), err)
				}
			})
		})
	}
	g.Go(func() error { return n.logs.syslog.Run(ctx) })
	g.Go(func() error { return n.watchIntegrity(ctx) })
	g.Go(func() error {
		tick := time.NewTicker(10 * time.Minute)
		defer tick.Stop()
		for {
			if err := n.tendLogs(ctx); err != nil && ctx.Err() == nil {
				n.log.WarnContext(ctx, "the logs are not tended", "error", err)
			}
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
		}
	})
	return g.Wait()
}

// tendLogs breaks silence, and erases the records whose time is over.
func (n *NVR) tendLogs(ctx context.Context) error {
	now := n.clock.Now()
	for i := range n.logs.all {
		if err := n.db.Heartbeat(ctx, store.LogAccess+store.LogName(i), now.Add(-heartbeat)); err != nil {
			return err
		}
	}
	if fault := n.db.LogFault(); fault != nil {
		n.alarm("log-footage-lacks", fmt.Sprintf("The footage log lacks a record: %v", fault), true)
	}
	if err := n.lookAtSyslog(ctx); err != nil {
		return err
	}
	if n.clock.Suspect() || n.clock.Behind() {
		return nil // a wrong clock must not erase anything
	}
	return errors.Join(n.eraseLogs(ctx, now), n.tendShares(ctx))
}

// eraseLogs erases the contents of records that are older than the owner wants them kept.
func (n *NVR) eraseLogs(ctx context.Context, now time.Time) error {
	days, err := n.logDays(ctx)
	if err != nil {
		return err
	}
	erased := 0
	for i, log := range n.logs.all {
		for more := log != nil; more && ctx.Err() == nil; {
			count, err := n.db.EraseLog(ctx, store.LogAccess+store.LogName(i), now.AddDate(0, 0, -days), log.Checkpoint().Size, eraseBatch)
			if err != nil {
				return err
			}
			erased += count
			more = count == eraseBatch
		}
	}
	if erased == 0 {
		return nil
	}
	return n.db.Fold(ctx) // what was erased is not left in the write-ahead log either
}

func (n *NVR) logDays(ctx context.Context) (int, error) {
	text, err := n.db.Setting(ctx, keyLogDays)
	if store.ErrorCode(err) == store.NotFound {
		return defaultLogDays, nil
	}
	if err != nil {
		return 0, err
	}
	days, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("read setting %s: %w", keyLogDays, err)
	}
	return days, nil
}

func (n *NVR) setLogDays(ctx context.Context, days int) error {
	if days < 1 || days > 3650 {
		return store.Errorf(store.Invalid, "the records of the logs are kept for 1 to 3650 days")
	}
	return n.db.PutSettings(ctx, map[string]string{keyLogDays: strconv.Itoa(days)})
}

// words says for the access log what is set to what.
func (c SettingsChange) words() string {
	var words []string
	add := func(name string, value *int64) {
		if value != nil {
			words = append(words, fmt.Sprintf("%s %d", name, *value))
		}
	}
	whole := func(value *int) *int64 {
		if value == nil {
			return nil
		}
		wide := int64(*value)
		return &wide
	}
	add("retention_days", whole(c.RetentionDays))
	add("retention_bytes", c.RetentionBytes)
	add("min_free_bytes", c.MinFreeBytes)
	add("log_days", whole(c.LogDays))
	add("time_server_port", whole(c.TimeServerPort))
	if c.Previews != nil {
		words = append(words, fmt.Sprintf("previews %t", *c.Previews))
	}
	if c.WebRTC != nil {
		words = append(words, fmt.Sprintf("webrtc %t", *c.WebRTC))
	}
	return strings.Join(words, ", ")
}

// note records an act of a person. Call it before the act, which MUST not happen when it gives an error.
func (n *NVR) note(ctx context.Context, actor store.Actor, action string, a store.Access) error {
	a.Actor, a.Action = actor, action
	return n.db.LogAccess(ctx, a)
}

// noteViewing records that somebody is about to be given pictures, once for each viewing session.
func (n *NVR) noteViewing(ctx context.Context, actor store.Actor, action string, gap time.Duration, a store.Access) error {
	key := viewing{actor.User, actor.Name, actor.Addr, a.Clip, a.Object}
	if a.Clip == (store.ID{}) {
		key.what = a.Camera
	}
	now := n.clock.Now()
	l := &n.logs
	l.mu.Lock()
	defer l.mu.Unlock() // also while it is appended: nobody gets a byte on the strength of a record that is not there yet
	if last, ok := l.seen[key]; ok && now.Sub(last).Abs() < gap {
		l.seen[key] = now
		return nil
	}
	if err := n.note(ctx, actor, action, a); err != nil {
		return err
	}
	if len(l.seen) >= maxSessions {
		clear(l.seen) // costs some records more
	}
	l.seen[key] = now
	return nil
}

// WatchEnded records how long a live view lasted. It is about what has happened, so nothing waits for it and nothing is refused.
func (n *NVR) WatchEnded(actor store.Actor, camera store.ID, began time.Time) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if err := n.note(ctx, actor, "live.end", store.Access{Camera: camera, Start: began, End: n.clock.Now()}); err != nil {
		n.log.WarnContext(ctx, "the end of a live view is not recorded", "error", err)
	}
}

// Denied records that somebody who is known tried what their role does not allow; the same again within a minute is one record.
func (n *NVR) Denied(ctx context.Context, actor store.Actor, what string) error {
	return n.noteViewing(ctx, actor, "denied", liveGap, store.Access{Object: what, Refused: true})
}

// LogView is a log for a person: its newest checkpoint and key.
type LogView struct {
	Name       store.LogName
	Checkpoint tlog.Checkpoint
	Key        string
	// ErasedBefore is the number below which records may be gone.
	ErasedBefore int64
}

// LogRecords lists records, newest first. Reading is recorded itself, before.
func (n *NVR) LogRecords(ctx context.Context, actor store.Actor, q store.LogQuery) ([]store.LoggedRecord, error) {
	if err := n.noteViewing(ctx, actor, "log.read", liveGap, store.Access{Object: q.Log.String()}); err != nil {
		return nil, err
	}
	return n.db.LogRecords(ctx, q)
}

// Log gives the state of a log. Unavailable while it cannot be carried on.
func (n *NVR) Log(ctx context.Context, name store.LogName) (LogView, error) {
	log, err := n.tree(name)
	if err != nil {
		return LogView{}, err
	}
	erased, err := n.db.LogErased(ctx, name)
	return LogView{Name: name, Checkpoint: log.Checkpoint(), Key: log.Key(), ErasedBefore: erased}, err
}

func (n *NVR) tree(name store.LogName) (*tlog.Log, error) {
	log := n.logs.get(name)
	if log == nil {
		return nil, store.Errorf(store.Unavailable, "the %s log cannot be carried on; `cardea verify` says what is wrong with it", name)
	}
	return log, nil
}

// LogConsistency proves that a log of size to begins with the one of size from; to 0 is the size of the newest checkpoint, which is
// given back. A size that the log has not is Invalid.
func (n *NVR) LogConsistency(_ context.Context, name store.LogName, from, to int64) (hashes [][]byte, size int64, err error) {
	log, err := n.tree(name)
	if err != nil {
		return nil, 0, err
	}
	size = cmp.Or(to, log.Checkpoint().Size)
	proof, err := log.Consistency(from, size)
	for _, hash := range proof {
		hashes = append(hashes, hash[:])
	}
	return hashes, size, logError(err)
}

// LogInclusion proves that a record is in the log of the given size, 0 for that of the newest checkpoint.
func (n *NVR) LogInclusion(_ context.Context, name store.LogName, seq, size int64) (leaf []byte, hashes [][]byte, of int64, err error) {
	log, err := n.tree(name)
	if err != nil {
		return nil, nil, 0, err
	}
	of = cmp.Or(size, log.Checkpoint().Size)
	hash, proof, err := log.Inclusion(seq, of)
	for _, hash := range proof {
		hashes = append(hashes, hash[:])
	}
	return hash[:], hashes, of, logError(err)
}

// LogProof is the proof of a record in the text form of tlog-proof, with the checkpoint.
func (n *NVR) LogProof(_ context.Context, name store.LogName, seq int64) ([]byte, error) {
	log, err := n.tree(name)
	if err != nil {
		return nil, err
	}
	proof, err := log.Proof(seq)
	return proof, logError(err)
}

func logError(err error) error {
	if errors.Is(err, tlog.ErrRange) {
		return store.Errorf(store.Invalid, "the log has no such record or size; its newest records follow within seconds")
	}
	return err
}

// LogFile gives a file of a log's directory for whoever follows it: the checkpoint, log.vkey, a tile or a bundle. NotFound.
func (n *NVR) LogFile(name store.LogName, path string) ([]byte, error) {
	log, err := n.tree(name)
	if err != nil {
		return nil, err
	}
	data, err := log.File(path)
	if err != nil {
		return nil, store.Errorf(store.NotFound, "the log has no such file")
	}
	return data, nil
}
