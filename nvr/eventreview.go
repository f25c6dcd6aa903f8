package nvr

import (
	"bytes"
	"context"
	"time"

	"cardea/store"
)

// EventChange is what a person makes of an event; nil leaves a field as it is.
type EventChange struct {
	// Reviewed marks it as seen, by the actor and now.
	Reviewed *bool
	// Keep has retention leave it, and the clips around it, alone.
	Keep *bool
	// Note replaces the note; one without Sealed takes it away.
	Note *Note
}

// Note is the words of a person about an event, which the box cannot open.
type Note struct {
	// Vault is whose recipient it is sealed to, Sealed an age file of at most store.MaxNote bytes.
	Vault  store.ID
	Sealed []byte
}

// sealedPrefix is how an age file begins (C2SP age, version line).
var sealedPrefix = []byte("age-encryption.org/v1\n")

// Event gives one event. NotFound.
func (n *NVR) Event(ctx context.Context, id store.ID) (store.Event, error) {
	return n.db.Event(ctx, id)
}

// maxKept is the longest part of time that is kept at once.
const maxKept = 24 * time.Hour

// Keep has retention leave alone what a camera recorded between two times. The event that it gives stands for that: whoever lets it go
// lets go of the recordings. Nothing recorded is a Conflict.
func (n *NVR) Keep(ctx context.Context, actor store.Actor, camera store.ID, from, to time.Time) (store.Event, error) {
	now := n.clock.Now()
	if !to.After(from) || to.After(now) || to.Sub(from) > maxKept {
		return store.Event{}, store.Errorf(store.Invalid, "what is kept at once begins before it ends, ends by now, and is at most a day; choose two marks like that")
	}
	clips, err := n.db.Clips(ctx, store.ClipQuery{Camera: camera, From: from, To: to, Limit: 1})
	if err != nil {
		return store.Event{}, err
	}
	if len(clips) == 0 {
		return store.Event{}, store.Errorf(store.Conflict, "nothing was recorded between the marks; choose a time with recordings")
	}
	if err := n.note(ctx, actor, "event.keep", store.Access{Camera: camera, Object: "kept", Start: from, End: to}); err != nil {
		return store.Event{}, err
	}
	e := store.Event{Camera: camera, Kind: "kept", Start: from, End: to, Source: "person", Data: object(map[string]any{"by": actor.Name})}
	return n.db.AddKept(ctx, e, now, actor.Name)
}

// ChangeEvents changes events, all of them or none. What is kept and what is noted goes into the access log before; who reviewed
// stands with the event.
func (n *NVR) ChangeEvents(ctx context.Context, actor store.Actor, ids []store.ID, c EventChange) ([]store.Event, error) {
	if c.Note != nil && len(c.Note.Sealed) > 0 && (!bytes.HasPrefix(c.Note.Sealed, sealedPrefix) || len(c.Note.Sealed) > store.MaxNote) {
		return nil, store.Errorf(store.Invalid, "a note is sealed in the browser, as an age file of at most %d bytes; unlock the vault and write it again", store.MaxNote)
	}
	for _, id := range ids {
		e, err := n.db.Event(ctx, id)
		if err != nil {
			return nil, err
		}
		if err := n.noteEvent(ctx, actor, e, c); err != nil {
			return nil, err
		}
	}
	now := n.clock.Now()
	all, err := n.db.UpdateEvents(ctx, ids, func(e *store.Event) error {
		c.apply(e, actor, now)
		return nil
	})
	if err == nil && c.Keep != nil && !*c.Keep {
		n.keeper.Wake() // some clips may be past their time
	}
	return all, err
}

// noteEvent records what is about to be done to an event.
func (n *NVR) noteEvent(ctx context.Context, actor store.Actor, e store.Event, c EventChange) error {
	about := store.Access{Camera: e.Camera, Object: e.Kind, Start: e.Start, End: e.End}
	if c.Keep != nil && *c.Keep != e.Keep {
		if err := n.note(ctx, actor, map[bool]string{true: "event.keep", false: "event.release"}[*c.Keep], about); err != nil {
			return err
		}
	}
	if c.Note != nil && !bytes.Equal(c.Note.Sealed, e.Note) {
		return n.note(ctx, actor, "event.note", about)
	}
	return nil
}

func (c EventChange) apply(e *store.Event, actor store.Actor, now time.Time) {
	switch {
	case c.Reviewed == nil:
	case !*c.Reviewed:
		e.Reviewed, e.Reviewer = time.Time{}, ""
	case e.Reviewer == "": // the first one who has seen it stays
		e.Reviewed, e.Reviewer = now, actor.Name
	}
	set(&e.Keep, c.Keep)
	if c.Note != nil {
		e.Note, e.NoteVault = c.Note.Sealed, c.Note.Vault
		if len(e.Note) == 0 {
			e.Note, e.NoteVault = nil, store.ID{}
		}
	}
}

// FollowEvents gives a channel that gets a value after events were added or changed; read them with EventsAfter. stop ends it.
func (n *NVR) FollowEvents() (news <-chan struct{}, stop func()) { return n.db.Follow() }

// EventsAfter lists events that were added or changed after the change number seq, in that order; LastEvent is the number of now.
func (n *NVR) EventsAfter(ctx context.Context, seq int64, limit int) ([]store.Event, error) {
	return n.db.EventsAfter(ctx, seq, limit)
}

// LastEvent is the number of the last change of an event.
func (n *NVR) LastEvent(ctx context.Context) (int64, error) { return n.db.LastEvent(ctx) }
