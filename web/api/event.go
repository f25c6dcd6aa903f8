package api

import (
	"context"
	"encoding/json"
	"time"

	"cardea/auth"
	"cardea/nvr"
	"cardea/store"
	"cardea/web/caller"
	"cardea/web/sentence"
)

// Event is something that happened.
type Event struct {
	ID       string         `json:"id"`
	Camera   *string        `json:"camera" doc:"null for the NVR itself"`
	Kind     string         `json:"kind"`
	Start    time.Time      `json:"start"`
	End      *time.Time     `json:"end" doc:"null while it goes on"`
	Source   string         `json:"source"`
	Labels   []string       `json:"labels" nullable:"false"`
	Data     map[string]any `json:"data,omitempty"`
	Said     *sentence.Said `json:"said,omitempty" doc:"The detail in data as a code and values"`
	Reviewed *Review        `json:"reviewed,omitempty" doc:"Left out while nobody has marked it as seen"`
	Keep     bool           `json:"keep" doc:"Retention leaves it, and the clips around it, alone"`
	Note     *Note          `json:"note,omitempty"`
}

// Review is who has seen an event first.
type Review struct {
	At time.Time `json:"at"`
	By string    `json:"by"`
}

// Note is the words of a person about an event, sealed in the browser.
type Note struct {
	Vault  string `json:"vault" doc:"Whose recipient it is sealed to"`
	Sealed []byte `json:"sealed" doc:"An age file"`
}

// NewNote takes the place of the note of an event.
type NewNote struct {
	Vault  string `json:"vault,omitempty" maxLength:"26" doc:"Whose recipient it is sealed to"`
	Sealed []byte `json:"sealed,omitempty" maxLength:"10924" doc:"An age file of at most 8 KiB; left out, the note is taken away"`
}

// NewEvent is an event as the API tells it.
func NewEvent(e store.Event) Event {
	shown := Event{
		ID: e.ID.String(), Camera: idOrNull(e.Camera), Kind: e.Kind, Start: e.Start, End: orNull(e.End), Source: e.Source, Labels: words(e.Labels), Keep: e.Keep,
	}
	if !e.Reviewed.IsZero() {
		shown.Reviewed = &Review{e.Reviewed, e.Reviewer}
	}
	if len(e.Note) > 0 {
		shown.Note = &Note{e.NoteVault.String(), e.Note}
	}
	_ = json.Unmarshal(e.Data, &shown.Data) // the index holds an object or nothing
	if detail, ok := shown.Data["detail"].(string); ok {
		shown.Said = sentence.Of(detail)
	}
	return shown
}

// SeesEvent reports whether a caller is told of an event: that of a camera that they see; that of the NVR itself when they see all
// cameras; that of an account when they are an owner.
func SeesEvent(who caller.Caller, e store.Event) bool {
	for _, label := range e.Labels {
		if label == auth.EventLabel && who.Role < caller.Owner {
			return false
		}
	}
	if e.Camera == (store.ID{}) {
		return who.Sight.All()
	}
	return who.Sees(e.Camera)
}

// EventsRequest says which events.
type EventsRequest struct {
	Camera   []string `query:"camera" maxItems:"256" doc:"One or several, with commas; left out: all, and the NVR itself"`
	Kind     []string `query:"kind" maxItems:"32" doc:"One or several, with commas"`
	Reviewed string   `query:"reviewed" enum:"true,false" doc:"Only what somebody has seen, or nobody"`
	Keep     string   `query:"keep" enum:"true,false" doc:"Only what is kept for ever, or not"`
	Before   string   `query:"before" maxLength:"26" doc:"The next page: the last event of this one"`
	Within
	AtMost
}

// query is what the index is asked.
func (in *EventsRequest) query(who caller.Caller) (q store.EventQuery, err error) {
	q = store.EventQuery{Kinds: in.Kind, From: in.From, To: in.To, Reviewed: truth(in.Reviewed), Keep: truth(in.Keep), Limit: in.or(1000)}
	if q.Before, err = optionalID(in.Before); err != nil {
		return q, err
	}
	if who.Role < caller.Owner {
		q.Without = auth.EventLabel
	}
	if !who.Sight.All() {
		q.Cameras = append([]store.ID{}, who.Sight.Cameras()...)
	}
	if len(in.Camera) > 0 {
		q.Cameras = nil
	}
	for _, text := range in.Camera {
		id, err := store.ParseID(text)
		if err != nil { // the words of a query are not repeated
			return q, store.Errorf(store.Invalid, "camera takes the identifiers of cameras, separated by commas")
		}
		if !who.Sees(id) {
			return q, store.Errorf(store.NotFound, "there is no camera %s", id)
		}
		q.Cameras = append(q.Cameras, id)
	}
	if len(q.Cameras) == 1 { // its own index, and NotFound for one that is not there
		q.Camera, q.Cameras = q.Cameras[0], nil
	}
	return q, nil
}

func truth(word string) *bool {
	if word == "" {
		return nil
	}
	yes := word == "true"
	return &yes
}

// Events answers GET /api/events, newest first.
func (a *API) Events(ctx context.Context, in *EventsRequest) (*Body[[]Event], error) {
	q, err := in.query(caller.From(ctx))
	if err != nil {
		return nil, err
	}
	all, err := a.nvr.Events(ctx, q)
	if err != nil {
		return nil, err
	}
	return answer(list(all, NewEvent)), nil
}

// Event answers GET /api/events/{id}.
func (a *API) Event(ctx context.Context, in *ByID) (*Body[Event], error) {
	_, e, err := a.event(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return answer(NewEvent(e)), nil
}

// event loads an event that the caller may know of.
func (a *API) event(ctx context.Context, text string) (store.ID, store.Event, error) {
	id, err := store.ParseID(text)
	if err != nil {
		return id, store.Event{}, err
	}
	e, err := a.nvr.Event(ctx, id)
	if err == nil && !SeesEvent(caller.From(ctx), e) {
		err = store.Errorf(store.NotFound, "there is no event %s", id)
	}
	return id, e, err
}

// KeepRequest names a part of time of a camera.
type KeepRequest struct {
	Body struct {
		Camera string    `json:"camera" maxLength:"26"`
		Start  time.Time `json:"start"`
		End    time.Time `json:"end"`
	}
}

// Keep answers POST /api/events.
func (a *API) Keep(ctx context.Context, in *KeepRequest) (*Body[Event], error) {
	id, err := store.ParseID(in.Body.Camera)
	if err != nil {
		return nil, err
	}
	if err := see(ctx, id); err != nil {
		return nil, err
	}
	e, err := a.nvr.Keep(ctx, actor(ctx), id, in.Body.Start, in.Body.End)
	if err != nil {
		return nil, err
	}
	return answer(NewEvent(e)), nil
}

// ChangeEventRequest holds what to change; the rest stays.
type ChangeEventRequest struct {
	ByID
	Body struct {
		Reviewed *bool    `json:"reviewed,omitempty"`
		Keep     *bool    `json:"keep,omitempty"`
		Note     *NewNote `json:"note,omitempty"`
	}
}

// ChangeEvent answers PATCH /api/events/{id}.
func (a *API) ChangeEvent(ctx context.Context, in *ChangeEventRequest) (*Body[Event], error) {
	id, _, err := a.event(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	change := nvr.EventChange{Reviewed: in.Body.Reviewed, Keep: in.Body.Keep}
	if note := in.Body.Note; note != nil {
		change.Note = &nvr.Note{Sealed: note.Sealed}
		if change.Note.Vault, err = optionalID(note.Vault); err != nil {
			return nil, err
		}
	}
	all, err := a.nvr.ChangeEvents(ctx, actor(ctx), []store.ID{id}, change)
	if err != nil {
		return nil, err
	}
	return answer(NewEvent(all[0])), nil
}

// ReviewEventsRequest names events.
type ReviewEventsRequest struct {
	Body struct {
		IDs      []string `json:"ids" maxItems:"1000" nullable:"false"`
		Reviewed bool     `json:"reviewed"`
	}
}

// ReviewEvents answers POST /api/events/review.
func (a *API) ReviewEvents(ctx context.Context, in *ReviewEventsRequest) (*Body[[]Event], error) {
	ids := make([]store.ID, 0, len(in.Body.IDs))
	for _, text := range in.Body.IDs {
		id, _, err := a.event(ctx, text)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	all, err := a.nvr.ChangeEvents(ctx, actor(ctx), ids, nvr.EventChange{Reviewed: &in.Body.Reviewed})
	if err != nil {
		return nil, err
	}
	return answer(list(all, NewEvent)), nil
}
